using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>
/// What was begun and done in one attempt, one JSON object a line. Where a promise hangs on a line, it is on the disk before the deed;
/// a line that a crash cut was never promised and is dropped.
/// </summary>
internal sealed class AttemptJournal : IDisposable
{
    private readonly FileStream _file;
    private readonly TimeProvider _time;
    private readonly List<JournalEntry> _entries = [];

    // The watch over the shim warns beside the step that is under way.
    private readonly Lock _gate = new();

    // Where the next line goes: over what a full disk left of the one before.
    private long _written;

    private AttemptJournal(FileStream file, TimeProvider time) => (_file, _time) = (file, time);

    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries.Where(entry => entry.Step == JournalStep.Warning).Select(entry => entry.Message!)];
            }
        }
    }

    public static AttemptJournal Open(string path, TimeProvider time)
    {
        var journal = new AttemptJournal(Posix.RegularFile.OpenOrRemake(path), time);
        journal.ReadAll();
        return journal;
    }

    public JournalEntry? Find(JournalStep step)
    {
        lock (_gate)
        {
            return _entries.FindLast(entry => entry.Step == step);
        }
    }

    public bool Has(JournalStep step) => Find(step) is not null;

    /// <summary>Whether the workspace was made by this attempt and not removed yet.</summary>
    public bool OwnsWorkspace => Has(JournalStep.WorkspaceMine) && Has(JournalStep.WorkspaceReady) && !Has(JournalStep.WorkspaceRemoved);

    /// <summary>Where the workspace is or will be; null when nothing was said about it.</summary>
    public string? WorkspacePath => (Find(JournalStep.WorkspaceMine) ?? Find(JournalStep.WorkspaceReady))?.Path;

    /// <summary>Appends a line; <paramref name="durable"/>: it outlives a power loss from now on. A crash of this process it always outlives.</summary>
    public JournalEntry Append(JournalEntry entry, bool durable)
    {
        lock (_gate)
        {
            _file.Position = _written;
            _file.Write([.. JsonSerializer.SerializeToUtf8Bytes(entry, DirectJson.Disk.JournalEntry), (byte)'\n']);
            _file.Flush(flushToDisk: durable);
            _written = _file.Position;
            _entries.Add(entry);
            return entry;
        }
    }

    public JournalEntry Append(JournalStep step, bool durable) => Append(new JournalEntry { At = _time.GetUtcNow(), Step = step }, durable);

    /// <summary>Appends what no promise hangs on; a disk that refuses it does not hold the attempt up.</summary>
    public void Note(JournalEntry entry)
    {
        try
        {
            Append(entry, durable: false);
        }
        catch (IOException)
        {
            // Known for the life of this process; the next host would find out anew.
            lock (_gate)
            {
                _entries.Add(entry);
            }
        }
    }

    public void Note(JournalStep step) => Note(new JournalEntry { At = _time.GetUtcNow(), Step = step });

    public void End(RunReason reason, string? message) =>
        Note(new JournalEntry { At = _time.GetUtcNow(), Step = JournalStep.Ended, ReasonText = reason.Text(), Message = message });

    /// <summary>Remembers a warning for the record; the same one only once, also after adoption.</summary>
    public bool Warn(string message)
    {
        lock (_gate)
        {
            if (Warnings.Contains(message))
            {
                return false;
            }

            Note(new JournalEntry { At = _time.GetUtcNow(), Step = JournalStep.Warning, Message = message });
            return true;
        }
    }

    public void Dispose() => _file.Dispose();

    private void ReadAll()
    {
        var content = new byte[_file.Length];
        _file.ReadExactly(content);
        var good = 0;
        while (content.AsSpan(good).IndexOf((byte)'\n') is >= 0 and var length)
        {
            try
            {
                _entries.Add(JsonSerializer.Deserialize(content.AsSpan(good, length), DirectJson.Disk.JournalEntry)!);
            }
            catch (JsonException)
            {
                break;
            }

            good += length + 1;
        }

        // The next line must not be glued to half of one.
        _file.SetLength(good);
        _written = good;
    }
}
