using System.Text.Json;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;

namespace OzFunctions.Direct.Leftovers;

/// <summary>
/// Workspaces and private directories that were to be removed and could not be (busy, refused by the file system). What said whose they were is gone with the attempt, so
/// a note in <c>.ozf</c> says of each which directory it was, and removing it is tried again. Without a note of ours nothing is removed: not what somebody keeps, not what
/// was put in its place since.
/// </summary>
internal sealed class LeftDirectories(string root)
{
    private const string Prefix = "left-";

    private string Home => Path.Combine(root, ".ozf");

    /// <summary>Remembers a directory of ours that stands there still. Best effort: a disk that refuses the note leaves it to the machine's owner.</summary>
    public void Note(string directory, DateTimeOffset now)
    {
        if (!MayBeOurs(directory) || Libc.FindFacts(directory) is not { IsDirectory: true } facts)
        {
            return;
        }

        try
        {
            var note = new LeftDirectory { Path = directory, Inode = facts.Inode, Device = facts.Device, Birth = facts.Birth, At = now };
            DurableFiles.Replace(NoteOf(directory), JsonSerializer.SerializeToUtf8Bytes(note, DirectJson.Disk.LeftDirectory));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The record's warning names it.
        }
    }

    /// <summary>Tries each again; answers those that are gone now.</summary>
    public IReadOnlyList<string> Sweep()
    {
        var removed = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Home, Prefix + "*.json").ToList())
        {
            if (Read(file) is not { } note || NoteOf(note.Path) != file || !MayBeOurs(note.Path))
            {
                // Not written by us, or not to be understood: left alone.
                continue;
            }

            var facts = Libc.FindFacts(note.Path);
            if (facts is { IsDirectory: true } there && there.Inode == note.Inode && there.Device == note.Device && (note.Birth is null or 0 || there.Birth == note.Birth))
            {
                if (TreeRemover.RemoveOnce(note.Path) is not null)
                {
                    continue;
                }

                removed.Add(note.Path);
            }

            File.Delete(file);
        }

        return removed;
    }

    private bool MayBeOurs(string directory) => (Path.GetDirectoryName(directory) == root && Path.GetFileName(directory) is not ("." or "..")) || (Path.GetDirectoryName(directory) == Home && AttemptDirectories.IsName(Path.GetFileName(directory)));

    private string NoteOf(string directory) => Path.Combine(Home, $"{Prefix}{Path.GetFileName(directory)}.json");

    private static LeftDirectory? Read(string file)
    {
        try
        {
            using var content = RegularFile.TryOpen(file, root: null, out _, out _);
            return content is null ? null : JsonSerializer.Deserialize(content, DirectJson.Disk.LeftDirectory);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}

/// <summary>Which directory it was: a path may be used again, and an inode too once it is free; then the time at which it was made is another.</summary>
internal sealed record LeftDirectory
{
    public required string Path { get; init; }

    public required ulong Inode { get; init; }

    public required ulong Device { get; init; }

    /// <summary>When the directory was made, in nanoseconds since 1970; null or 0: not known.</summary>
    public long? Birth { get; init; }

    public required DateTimeOffset At { get; init; }
}
