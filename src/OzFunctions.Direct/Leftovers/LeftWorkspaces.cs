using System.Text.Json;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;

namespace OzFunctions.Direct.Leftovers;

/// <summary>
/// Workspaces that were to be removed and could not be (busy, refused by the file system). Their attempt's directory is gone with the attempt, so a note in
/// <c>.ozf</c> says of each which directory it was, and removing it is tried again. Without a note of ours nothing is removed: not what somebody keeps, not what
/// was put in its place since.
/// </summary>
internal sealed class LeftWorkspaces(string root)
{
    private const string Prefix = "left-";

    private string Home => Path.Combine(root, ".ozf");

    /// <summary>Remembers a workspace of ours that stands there still. Best effort: a disk that refuses the note leaves the workspace to its owner.</summary>
    public void Note(string workspace, DateTimeOffset now)
    {
        if (Path.GetDirectoryName(workspace) != root || Libc.FindFacts(workspace) is not { IsDirectory: true } facts)
        {
            return;
        }

        try
        {
            var note = new LeftWorkspace { Path = workspace, Inode = facts.Inode, Device = facts.Device, Birth = facts.Birth, At = now };
            DurableFiles.Replace(NoteOf(workspace), JsonSerializer.SerializeToUtf8Bytes(note, DirectJson.Disk.LeftWorkspace));
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
            if (Read(file) is not { } note || NoteOf(note.Path) != file || Path.GetDirectoryName(note.Path) != root)
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

    private string NoteOf(string workspace) => Path.Combine(Home, $"{Prefix}{Path.GetFileName(workspace)}.json");

    private static LeftWorkspace? Read(string file)
    {
        try
        {
            using var content = RegularFile.TryOpen(file, root: null, out _, out _);
            return content is null ? null : JsonSerializer.Deserialize(content, DirectJson.Disk.LeftWorkspace);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}

/// <summary>Which directory it was: a path may be used again, and an inode too once it is free; then the time at which it was made is another.</summary>
internal sealed record LeftWorkspace
{
    public required string Path { get; init; }

    public required ulong Inode { get; init; }

    public required ulong Device { get; init; }

    /// <summary>When the directory was made, in nanoseconds since 1970; null or 0: not known.</summary>
    public long? Birth { get; init; }

    public required DateTimeOffset At { get; init; }
}
