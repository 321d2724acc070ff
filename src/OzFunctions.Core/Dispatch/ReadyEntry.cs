using System.Globalization;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Dispatch;

/// <summary>An entry of the ready index: <c>ready/&lt;w&gt;/&lt;sort&gt;-&lt;run_id&gt;-&lt;k&gt;</c>. Name order is claim order.</summary>
public readonly record struct ReadyEntry(string Name, long Sort, RunId RunId, string Key)
{
    public const string Prefix = "ready/";
    public const string NoKey = "0";

    private static readonly TimeSpan PriorityStep = TimeSpan.FromMinutes(10);

    public bool HasKey => Key != NoKey;

    /// <summary><c>ready/&lt;w&gt;/</c>, where w is the first 32 hex digits of the worker id's SHA-256.</summary>
    public static string PrefixOf(string workerId) => $"{Prefix}{WorkerHash(workerId)}/";

    public static string WorkerHash(string workerId) => RunBlobs.Hash(workerId)[..32];

    /// <summary>The k of a concurrency key.</summary>
    public static string KeyOf(string concurrencyKey) => RunBlobs.Hash(concurrencyKey)[..8];

    public static ReadyEntry Of(RunRecord record)
    {
        var since = record.CreatedAt;
        since = record.Request.NotBefore > since ? record.Request.NotBefore.Value : since;
        since = record.RetryAt > since ? record.RetryAt.Value : since;
        var sort = (since - (record.Request.Priority ?? 0) * PriorityStep).ToUnixTimeMilliseconds();
        var key = record.Request.ConcurrencyKey is { } text ? KeyOf(text) : NoKey;
        return new($"{PrefixOf(record.WorkerId)}{RunBlobs.Digits(sort)}-{record.RunId}-{key}", sort, record.RunId, key);
    }

    public static bool TryParse(string name, out ReadyEntry entry)
    {
        entry = default;
        var tail = name.AsSpan(name.LastIndexOf('/') + 1);
        if (tail.Length < 13 + 1 + 36 + 1 + 1 || tail[13] != '-' || tail[50] != '-'
            || !long.TryParse(tail[..13], NumberStyles.None, CultureInfo.InvariantCulture, out var sort)
            || !RunId.TryParse(tail.Slice(14, 36).ToString(), out var runId))
        {
            return false;
        }

        entry = new(name, sort, runId, tail[51..].ToString());
        return true;
    }
}

/// <summary>An entry of the time index: <c>later/&lt;due ms&gt;-&lt;run_id&gt;-n</c> (becomes ready) or <c>…-x</c> (expires).</summary>
public readonly record struct LaterEntry(string Name, DateTimeOffset Due, RunId RunId, bool Expires)
{
    public const string Prefix = "later/";

    private const string WorkerField = "w";
    private const string KeyField = "k";

    /// <summary>
    /// Worker and concurrency key of the run, as the ready index has them in its names: a listing tells them without a read of the record. In the metadata, for a name of this
    /// index is the time and the run alone.
    /// </summary>
    public static IReadOnlyDictionary<string, string> MetadataOf(RunRecord record) => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [WorkerField] = ReadyEntry.WorkerHash(record.WorkerId),
        [KeyField] = ReadyEntry.Of(record).Key,
    };

    /// <summary>Whether an entry, as it was listed, may be of a run with this one's worker and concurrency key. One that does not say, as of an older version, may be of any.</summary>
    public static bool MayBeLike(BlobEntry listed, RunRecord record) =>
        listed.Metadata is not { } metadata
        || ((!metadata.TryGetValue(WorkerField, out var worker) || worker == ReadyEntry.WorkerHash(record.WorkerId))
            && (!metadata.TryGetValue(KeyField, out var key) || key == ReadyEntry.Of(record).Key));

    public static LaterEntry ReadyAt(RunId runId, DateTimeOffset due) => Of(runId, due, expires: false);

    public static LaterEntry ExpiresAt(RunId runId, DateTimeOffset due) => Of(runId, due, expires: true);

    public static bool TryParse(string name, out LaterEntry entry)
    {
        entry = default;
        if (name.Length != Prefix.Length + 13 + 1 + 36 + 2 || name[^2] != '-' || name[^1] is not ('n' or 'x')
            || !long.TryParse(name.AsSpan(Prefix.Length, 13), NumberStyles.None, CultureInfo.InvariantCulture, out var due)
            || !RunId.TryParse(name.Substring(Prefix.Length + 14, 36), out var runId))
        {
            return false;
        }

        entry = new(name, DateTimeOffset.FromUnixTimeMilliseconds(due), runId, name[^1] == 'x');
        return true;
    }

    private static LaterEntry Of(RunId runId, DateTimeOffset due, bool expires) =>
        new($"{Prefix}{RunBlobs.Digits(due.ToUnixTimeMilliseconds())}-{runId}-{(expires ? 'x' : 'n')}", due, runId, expires);
}
