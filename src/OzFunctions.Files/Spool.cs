using System.Globalization;
using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;
using OzFunctions.Local;
using OzFunctions.Queues;

namespace OzFunctions.Files;

/// <summary>
/// A queue as directories of plain files. Taking a message is one rename, with exactly one winner; who has it until when stands in its name:
/// <c>ready/&lt;id&gt;.&lt;count&gt;</c>, <c>delayed/&lt;visible&gt;-&lt;id&gt;.&lt;count&gt;</c>,
/// <c>claimed/&lt;until&gt;-&lt;instance&gt;-&lt;id&gt;.&lt;count&gt;</c>; ids begin with the time, so that name order is the order of messages.
/// </summary>
internal sealed class Spool
{
    private static readonly TimeSpan OldListing = TimeSpan.FromSeconds(1);
    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = 0, ReturnSpecialDirectories = false };

    private readonly FilesStore _store;
    private readonly Lock _lock = new();
    private readonly string _claimed;
    private readonly string _delayed;
    private List<string> _listing = [];
    private int _next;
    private long _listed;
    private long _lastOrder;
    private long _lastReturn;
    private long _nextDue;

    public Spool(FilesStore store, string name)
    {
        _store = store;
        var directory = Path.Join(store.Directory, "queues", FileNames.Single(name));
        Ready = Path.Join(directory, "ready");
        _claimed = Path.Join(directory, "claimed");
        _delayed = Path.Join(directory, "delayed");
        foreach (var place in (ReadOnlySpan<string>)[Ready, _claimed, _delayed])
        {
            FilesStore.MakeDirectories(place);
        }
    }

    /// <summary>The directory to watch.</summary>
    public string Ready { get; }

    private long Now => _store.Time.GetUtcNow().UtcTicks;

    /// <summary>Adds a message; durable when it answers.</summary>
    public string Send(ReadOnlySpan<byte> body)
    {
        var id = $"{NextOrder():x16}-{RandomNumberGenerator.GetHexString(16, lowercase: true)}";
        Put(id, body);
        return id;
    }

    /// <summary>Adds a message under an id that follows from what it says: put again while it waits, it replaces itself.</summary>
    public void Publish(DateTimeOffset order, string identity, ReadOnlySpan<byte> body) =>
        Put($"{order.UtcTicks:x16}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)).AsSpan(0, 16))}", body);

    /// <summary>Drops waiting messages that are too old or too many, the oldest first.</summary>
    public void Trim(int most, TimeSpan oldest)
    {
        // By when they were put: names carry the time of what they tell of, which may be long past.
        var entries = List(Ready);
        var before = new DateTime(Now - oldest.Ticks, DateTimeKind.Utc);
        for (var i = 0; i < entries.Count; i++)
        {
            var path = Path.Join(Ready, entries[i]);
            if ((entries.Count - i > most || File.GetLastWriteTimeUtc(path) < before) && Entry.TryParse(entries[i], out _))
            {
                PosixFiles.Unlink(path);
            }
        }
    }

    /// <summary>Takes the first message, if there is one.</summary>
    public QueuedMessage? Take(TimeSpan visibility)
    {
        lock (_lock)
        {
            ReturnDue();
            var listed = false;
            while (NextReady(ref listed) is { } entry)
            {
                if (!Entry.TryParse(entry, out var message))
                {
                    continue;
                }

                var receipt = $"{Now + visibility.Ticks:x16}-{_store.Instance}-{message.Id}.{message.Count + 1}";
                var path = Path.Join(_claimed, receipt);
                var error = PosixFiles.Rename(Path.Join(Ready, entry), path);
                if (error.Ok && ReadBody(path) is { } body)
                {
                    return new() { MessageId = message.Id, Receipt = receipt, DeliveryCount = message.Count + 1, Body = body };
                }

                if (!error.Ok && error != PosixError.NotFound)
                {
                    throw StoreFaults.From(error, path);
                }
            }

            return null;
        }
    }

    public bool Complete(string receipt) => Done(PosixFiles.Unlink(PathOf(receipt)), receipt);

    public bool Abandon(string receipt, TimeSpan delay)
    {
        if (!Entry.TryParse(receipt, out var message))
        {
            return false;
        }

        var target = delay > TimeSpan.Zero
            ? Path.Join(_delayed, $"{Now + delay.Ticks:x16}-{message.Name}")
            : Path.Join(Ready, message.Name);
        lock (_lock)
        {
            // Not to be passed over by what was listed before.
            Forget();
            return Done(PosixFiles.Rename(PathOf(receipt), target), receipt);
        }
    }

    /// <summary>How long until something hidden is due, by what was seen last.</summary>
    public TimeSpan UntilDue()
    {
        lock (_lock)
        {
            return TimeSpan.FromTicks(Math.Max(0, Math.Min(_nextDue, Now + TimeSpan.TicksPerDay) - Now));
        }
    }

    private static bool Done(PosixError error, string path) =>
        error.Ok || (error == PosixError.NotFound ? false : throw StoreFaults.From(error, path));

    private static byte[]? ReadBody(string path)
    {
        var error = PosixFiles.OpenRead(path, out var file);
        using (file)
        {
            if (error == PosixError.NotFound)
            {
                return null;
            }

            if (!error.Ok || !(error = FileFacts.Find(file, out var facts)).Ok)
            {
                throw StoreFaults.From(error, path);
            }

            var body = new byte[facts.Length];
            var read = 0;
            while (read < body.Length && RandomAccess.Read(file, body.AsSpan(read), read) is > 0 and var more)
            {
                read += more;
            }

            return body[..read];
        }
    }

    private static List<string> List(string directory)
    {
        var entries = new FileSystemEnumerable<string>(directory, (ref FileSystemEntry entry) => entry.FileName.ToString(), Everything).ToList();
        entries.Sort(StringComparer.Ordinal);
        return entries;
    }

    private long NextOrder()
    {
        lock (_lock)
        {
            return _lastOrder = Math.Max(_lastOrder + 1, Now);
        }
    }

    private void Put(string id, ReadOnlySpan<byte> body)
    {
        var temporary = _store.WriteTemporary(body, durable: true);
        var path = Path.Join(Ready, $"{id}.0");
        var error = FilesStore.Place(path, () => PosixFiles.Rename(temporary, path));
        if (!error.Ok)
        {
            PosixFiles.Unlink(temporary);
            throw StoreFaults.From(error, path);
        }

        _store.SyncDirectory(Ready);
    }

    /// <summary>A receipt comes from outside and must stay a name in its directory.</summary>
    private string PathOf(string receipt) => Path.Join(_claimed, Path.GetFileName(receipt));

    /// <summary>The next name in order; the directory is read at most once for one message taken, as it may hold only what is none of ours.</summary>
    private string? NextReady(ref bool listed)
    {
        if (!listed && (_next >= _listing.Count || _store.Time.GetElapsedTime(_listed) > OldListing))
        {
            Forget();
            _listing = List(Ready);
            listed = true;
        }

        return _next < _listing.Count ? _listing[_next++] : null;
    }

    private void Forget() => (_listing, _next, _listed) = ([], 0, _store.Time.GetTimestamp());

    /// <summary>Once a second, or when something is known to be due: what was delayed, whose time ran out, whose taker is dead becomes ready again.</summary>
    private void ReturnDue()
    {
        var now = Now;
        if (_lastReturn != 0 && now < _nextDue && _store.Time.GetElapsedTime(_lastReturn) < OldListing)
        {
            return;
        }

        _lastReturn = _store.Time.GetTimestamp();
        var nextDue = long.MaxValue;
        var alive = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (var (directory, entries) in (ReadOnlySpan<(string, List<string>)>)[(_delayed, List(_delayed)), (_claimed, List(_claimed))])
        {
            foreach (var entry in entries)
            {
                if (!Entry.TryParse(entry, out var message) || message.Due is not { } due)
                {
                    continue;
                }

                if (due > now && (message.Instance is not { } instance || IsAlive(instance, alive)))
                {
                    nextDue = Math.Min(nextDue, due);
                }
                else if (PosixFiles.Rename(Path.Join(directory, entry), Path.Join(Ready, message.Name)).Ok)
                {
                    Forget();
                }
            }
        }

        _nextDue = nextDue;
    }

    private bool IsAlive(string instance, Dictionary<string, bool> known) =>
        known.TryGetValue(instance, out var alive) ? alive : known[instance] = _store.IsAlive(instance);

    /// <summary>A message's file name, taken apart.</summary>
    private readonly record struct Entry(string Id, int Count, long? Due, string? Instance)
    {
        public string Name => $"{Id}.{Count.ToString(CultureInfo.InvariantCulture)}";

        public static bool TryParse(string name, out Entry entry)
        {
            entry = default;
            var dot = name.LastIndexOf('.');
            if (dot < 0 || !int.TryParse(name.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            {
                return false;
            }

            var parts = name[..dot].Split('-');
            if (parts.Length is < 2 or > 4 || !parts.All(part => part.Length > 0 && part.All(char.IsAsciiHexDigitLower)))
            {
                return false;
            }

            long? due = null;
            if (parts.Length > 2)
            {
                if (!long.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var ticks))
                {
                    return false;
                }

                due = ticks;
            }

            entry = new($"{parts[^2]}-{parts[^1]}", count, due, parts.Length == 4 ? parts[1] : null);
            return true;
        }
    }
}
