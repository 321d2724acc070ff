using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Backends;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>Makes attempt directories (C4) and takes over those whose host is dead (A1): <c>&lt;workspace_root&gt;/.ozf/&lt;16 hex&gt;</c>.</summary>
internal sealed class AttemptDirectories(DirectOptions options, IShims shims, TimeProvider time)
{
    private const int Tries = 10;

    public AttemptDirectory Create(AttemptIntent intent)
    {
        var home = MakeHome();
        for (var round = 1; ; round++)
        {
            var path = Path.Combine(home, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
            if (Libc.MakeDirectory(path, 0x1C0) == 0)
            {
                var places = new AttemptPlaces(path);

                // A scanning host may have been quicker; it will delete what has no intent.
                if (AttemptLock.TryTake(places.Lock) is { } held)
                {
                    DurableFile.Write(places.Intent, JsonSerializer.SerializeToUtf8Bytes(intent, RunJson.Wire.AttemptIntent));
                    DurableFile.SynchronizeDirectory(home);
                    return new AttemptDirectory(places, held, intent, options, shims, time);
                }
            }
            else if (Marshal.GetLastPInvokeError() != Libc.Eexist || round == Tries)
            {
                throw new IOException($"No attempt directory can be made in {home}: {Libc.DescribeLast()}.");
            }

            if (round == Tries)
            {
                throw new IOException($"No attempt directory in {home} can be locked.");
            }
        }
    }

    /// <summary>Locks every directory of this store whose holder is dead. One without an intent is nobody's and is removed.</summary>
    public IReadOnlyList<IAttemptDirectory> TakeAbandoned(string store)
    {
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        var taken = new List<IAttemptDirectory>();
        if (!Directory.Exists(home))
        {
            return taken;
        }

        foreach (var path in Directory.EnumerateDirectories(home).Where(path => IsName(Path.GetFileName(path))).ToList())
        {
            var places = new AttemptPlaces(path);

            // Looked at before it is locked, so that hosts of other stores are not kept from theirs.
            if (ReadIntent(places) is { } foreign && foreign.Store != store)
            {
                continue;
            }

            if (AttemptLock.TryTake(places.Lock) is not { } held)
            {
                continue;
            }

            var intent = ReadIntent(places);
            var directory = new AttemptDirectory(places, held, intent, options, shims, time);
            if (intent is null)
            {
                directory.Delete();
            }
            else if (intent.Store != store)
            {
                directory.Dispose();
            }
            else
            {
                taken.Add(directory);
            }
        }

        return taken;
    }

    private string MakeHome()
    {
        Directory.CreateDirectory(options.WorkspaceRoot, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        Libc.MakeDirectory(home, 0x1C0);

        // Secrets will lie in it: a link or somebody else's directory is not taken.
        return Libc.FindFacts(home) is { IsDirectory: true } facts && (facts.Mode & 0x3F) == 0
            ? home
            : throw new IOException($"{home} must be a directory that only this user can enter (mode 0700).");
    }

    private static AttemptIntent? ReadIntent(AttemptPlaces places)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(places.Intent), RunJson.Wire.AttemptIntent);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    private static bool IsName(string name) => name.Length == 16 && name.All(char.IsAsciiHexDigitLower);
}
