using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Runs;

/// <summary>Names of blobs (layout of <c>docs/protocol.md</c>), made here and nowhere else.</summary>
public static class RunBlobs
{
    public const string RecordPrefix = "runs/";
    public const string ActivePrefix = "active/";
    public const string DataPrefix = "data/";

    private const long LastMillisecond = 9_999_999_999_999;

    /// <summary><c>runs/&lt;i5&gt;/&lt;inv&gt;-&lt;run_id&gt;.json</c>: newest first in name order.</summary>
    public static string Record(RunId runId)
    {
        var inverted = Invert(runId.Milliseconds);
        return $"{RecordPrefix}{inverted.AsSpan(0, 5)}/{inverted}-{runId}.json";
    }

    /// <summary>The run id in a record's name; false for anything else.</summary>
    public static bool TryParseRecord(string name, out RunId runId)
    {
        runId = default;
        return name.StartsWith(RecordPrefix, StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal) && name.Length == 5 + 5 + 1 + 13 + 1 + 36 + 5
            && RunId.TryParse(name.Substring(25, 36), out runId) && Record(runId) == name;
    }

    public static string Active(RunId runId) => ActivePrefix + runId;

    /// <summary><c>data/&lt;run_id&gt;/&lt;attempt&gt;/</c>.</summary>
    public static string Data(RunId runId, int attempt) => string.Create(CultureInfo.InvariantCulture, $"{DataPrefix}{runId}/{attempt}/");

    /// <summary>The beginning of everything that is kept of a run's attempts.</summary>
    public static string DataOf(RunId runId) => $"{DataPrefix}{runId}/";

    /// <summary>The run id in the name of anything that is kept of a run's attempts; false for anything else.</summary>
    public static bool TryParseData(string name, out RunId runId)
    {
        runId = default;
        var end = DataPrefix.Length + 36;
        return name.StartsWith(DataPrefix, StringComparison.Ordinal) && name.Length > end && name[end] == '/' && RunId.TryParse(name[DataPrefix.Length..end], out runId);
    }

    /// <summary>An idempotency key's blob, by the hash of its text.</summary>
    public static string Key(string hash) => $"keys/{hash}.json";

    public static string Log(RunId runId, int attempt) => Data(runId, attempt) + "log.ndjson";

    public static string Manifest(RunId runId, int attempt) => Data(runId, attempt) + "artifacts.json";

    public static string Artifact(RunId runId, int attempt, string path) => Data(runId, attempt) + "artifacts/" + path;

    /// <summary>13 digits that sort newest first.</summary>
    public static string Invert(long milliseconds) => Digits(LastMillisecond - milliseconds);

    /// <summary>13 digits that sort oldest first.</summary>
    public static string Digits(long milliseconds) => Math.Clamp(milliseconds, 0, LastMillisecond).ToString("D13", CultureInfo.InvariantCulture);

    /// <summary>Lower-case hex of the SHA-256 of a text.</summary>
    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
