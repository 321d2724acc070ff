using System.Security.Cryptography;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Shims;

/// <summary>Which file is executed as <c>ozf-shim</c>; the composition root says it.</summary>
public sealed record ShimBinary(string Path)
{
    internal const string FileName = "ozf-shim";

    /// <summary>Where a build or publish puts it, beside the program: <c>shim/ozf-shim</c>.</summary>
    public static string Beside(string baseDirectory) => System.IO.Path.Combine(baseDirectory, "shim", FileName);

    /// <summary>
    /// Copies the shim (a file, or the directory that holds it) to <c>&lt;workspaceRoot&gt;/.ozf/bin/&lt;sha256&gt;/ozf-shim</c> and answers that path, so that replacing
    /// the product does not touch running shims. Does nothing when it is there; several hosts may do it at once.
    /// </summary>
    public static async Task<string> InstallAsync(string source, string workspaceRoot, CancellationToken cancellationToken)
    {
        var file = Directory.Exists(source) ? System.IO.Path.Combine(source, FileName) : source;
        byte[] bytes;
        try
        {
            bytes = await File.ReadAllBytesAsync(file, cancellationToken);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ShimException($"The shim {file} cannot be read: {ex.Message} A build of ozf puts it there.", ex);
        }

        var ozf = System.IO.Path.Combine(workspaceRoot, ".ozf");
        var directory = System.IO.Path.Combine(ozf, "bin", Convert.ToHexStringLower(SHA256.HashData(bytes)));
        var target = System.IO.Path.Combine(directory, FileName);
        try
        {
            CreatePrivate(ozf);
            do
            {
                // A newer host may be removing what it takes for an old one's.
                Directory.CreateDirectory(directory);
            }
            while (!OperatingSystem.IsWindows() && !Leftovers.ShimBinaries.TryUse(directory) && !Directory.Exists(directory));

            RefuseForeign(ozf, System.IO.Path.GetDirectoryName(directory)!, directory);
            if (!await HoldsAsync(target, bytes, cancellationToken))
            {
                await ReplaceAsync(target, bytes, cancellationToken);
            }

            return target;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new ShimException($"The shim cannot be installed in {System.IO.Path.Combine(ozf, "bin")}: {Cause(ex)}. Make room there, or name a place that this user can write (backend.direct.workspace_root; --data for 'ozf exec').", ex);
        }
    }

    // Its owner could put another program there, and this user, perhaps root, would execute it for every attempt.
    private static void RefuseForeign(params ReadOnlySpan<string> directories)
    {
        foreach (var directory in directories)
        {
            if (Libc.FindFacts(directory) is not { IsDirectory: true } facts || !Libc.IsOwn(facts))
            {
                throw new ShimException($"The shim cannot be installed in {directory}: it is a link or belongs to another user. Remove it, or name another place (backend.direct.workspace_root; --data for 'ozf exec').");
            }
        }
    }

    // A copy that a crash or a full disk left short, or that another account may write, must not be executed.
    private static async Task<bool> HoldsAsync(string target, byte[] bytes, CancellationToken cancellationToken) =>
        Libc.FindFacts(target) is { IsRegular: true } facts
        && Libc.IsOwn(facts)
        && !OperatingSystem.IsWindows()
        && File.GetUnixFileMode(target).HasFlag(UnixFileMode.UserExecute)
        && (await File.ReadAllBytesAsync(target, cancellationToken)).AsSpan().SequenceEqual(bytes);

    private static async Task ReplaceAsync(string target, byte[] bytes, CancellationToken cancellationToken)
    {
        var temporary = $"{target}.{Guid.NewGuid():N}";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            }

            await using (var stream = new FileStream(temporary, options))
            {
                await stream.WriteAsync(bytes, cancellationToken);
                stream.Flush(flushToDisk: true);
            }

            // Whoever comes second replaces the first one's file by the same bytes.
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // "Read-only file system : '/a/path'": the path is a temporary one that says nothing to anybody.
    private static string Cause(Exception exception) => exception.Message.Split(" : '")[0].TrimEnd('.', ' ');

    private static void CreatePrivate(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
