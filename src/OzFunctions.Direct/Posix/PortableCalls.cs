namespace OzFunctions.Direct.Posix;

/// <summary>What <c>ozf exec</c> needs of <see cref="Libc"/> with nothing but .NET's own calls, for systems that are not Linux.</summary>
internal static class PortableCalls
{
    private const uint Directory = 0x4000;
    private const uint Regular = 0x8000;
    private const uint Link = 0xA000;
    private const int MostLinks = 40;

    private static readonly EnumerationOptions AsItIs = new() { AttributesToSkip = 0, IgnoreInaccessible = true };

    public static FileFacts? FindFacts(string path)
    {
        try
        {
            var attributes = File.GetAttributes(path);
            var mode = OperatingSystem.IsWindows() ? 0 : (uint)File.GetUnixFileMode(path);
            var isDirectory = attributes.HasFlag(FileAttributes.Directory);
            if (attributes.HasFlag(FileAttributes.ReparsePoint))
            {
                return new(Link, 0, 0, 0, 0, 0, IsMountRoot: false);
            }

            return new(mode | (isDirectory ? Directory : Regular), 0, 0, 0, isDirectory ? 0 : new FileInfo(path).Length, 0, IsMountRoot: false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The path without any link; null when it does not exist.</summary>
    public static string? FindRealPath(string path)
    {
        var left = MostLinks;
        return FindRealPath(Path.GetFullPath(path), ref left);
    }

    /// <summary>Any execute bit, where there are such.</summary>
    public static bool IsExecutable(string path) =>
        OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;

    /// <summary>
    /// Opens a file that an agent may have made. .NET cannot tell a fifo from an empty file before it opens it, and to read one waits for its writer: what is empty
    /// is opened for writing too, which waits for nobody.
    /// </summary>
    public static FileStream? TryOpen(string path, string? root, long length, out string? reason)
    {
        if (root is not null && FindRealPath(path)?.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal) != true)
        {
            reason = "it lies outside";
            return null;
        }

        try
        {
            var stream = new FileStream(path, FileMode.Open, length == 0 ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.CanSeek)
            {
                reason = null;
                return stream;
            }

            stream.Dispose();
            reason = "not a regular file";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            reason = exception.Message;
        }

        return null;
    }

    /// <summary>Removes a file, a link or a whole tree; links are never followed. Null when nothing is left.</summary>
    public static string? Remove(string path)
    {
        try
        {
            if (FindFacts(path) is not { } facts)
            {
                return null;
            }

            if (!facts.IsDirectory)
            {
                File.Delete(path);
                return null;
            }

            OpenUp(new(path));
            System.IO.Directory.Delete(path, recursive: true);
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"{path}: {exception.Message}";
        }
    }

    /// <summary>Read-only files on Windows, and directories elsewhere, keep what is to be removed.</summary>
    private static void OpenUp(DirectoryInfo root)
    {
        var waiting = new Stack<DirectoryInfo>([root]);
        while (waiting.TryPop(out var directory))
        {
            ClearReadOnly(directory);

            // Level by level: .NET's own recursion enters links to directories, and what lies behind them is not ours.
            foreach (var entry in directory.EnumerateFileSystemInfos("*", AsItIs).Where(entry => entry.LinkTarget is null))
            {
                if (entry is DirectoryInfo below)
                {
                    waiting.Push(below);
                }
                else
                {
                    ClearReadOnly(entry);
                }
            }
        }
    }

    private static void ClearReadOnly(FileSystemInfo entry)
    {
        if (entry.Attributes.HasFlag(FileAttributes.ReadOnly))
        {
            entry.Attributes &= ~FileAttributes.ReadOnly;
        }
    }

    private static string? FindRealPath(string path, ref int left)
    {
        var real = Path.GetPathRoot(path)!;
        foreach (var name in path[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            var next = Path.Combine(real, name);
            if (!File.Exists(next) && !System.IO.Directory.Exists(next))
            {
                return null;
            }

            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
            }
            else if (left-- == 0 || FindRealPath(Path.GetFullPath(target, real), ref left) is not { } followed)
            {
                return null;
            }
            else
            {
                real = followed;
            }
        }

        return real;
    }
}
