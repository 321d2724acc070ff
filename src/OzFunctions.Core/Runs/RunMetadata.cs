using System.Text;
using OzFunctions.Json;

namespace OzFunctions.Runs;

/// <summary>What a listing shows of a run without reading its record; percent-encoded, because blob metadata is ASCII.</summary>
public static class RunMetadata
{
    private const int TitleBytes = 200;

    public static IReadOnlyDictionary<string, string> Of(RunRecord record)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["state"] = record.State.Text(),
            ["worker"] = Uri.EscapeDataString(record.WorkerId),
            ["trigger"] = record.Trigger.Kind.ToString().ToLowerInvariant(),
            ["created"] = TimeText.Format(record.CreatedAt),
        };
        if (record.Title is { } title)
        {
            metadata["title"] = Uri.EscapeDataString(Shorten(title));
        }

        if (record.FinishedAt is { } finished)
        {
            metadata["finished"] = TimeText.Format(finished);
        }

        return metadata;
    }

    /// <summary>For stores that keep metadata beside the content: makes it again from a blob's content; null for blobs that have none.</summary>
    public static IReadOnlyDictionary<string, string>? Describe(string name, ReadOnlyMemory<byte> content) =>
        RunBlobs.TryParseRecord(name, out _) && RunRecords.TryRead(content, out var record, out _) ? Of(record) : null;

    private static string Shorten(string text)
    {
        while (Encoding.UTF8.GetByteCount(text) > TitleBytes)
        {
            text = text[..^(char.IsSurrogatePair(text, text.Length - 2) ? 2 : 1)];
        }

        return text;
    }
}

/// <summary>One line of a list of runs.</summary>
public sealed record RunSummary
{
    public required RunId RunId { get; init; }

    public required RunState State { get; init; }

    public required string WorkerId { get; init; }

    public string? Title { get; init; }

    public required string Trigger { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    internal static RunSummary Of(RunRecord record) => new()
    {
        RunId = record.RunId,
        State = record.State,
        WorkerId = record.WorkerId,
        Title = record.Title,
        Trigger = record.Trigger.Kind.ToString().ToLowerInvariant(),
        CreatedAt = record.CreatedAt,
        FinishedAt = record.FinishedAt,
    };

    /// <summary>Null when the metadata is not all there.</summary>
    internal static RunSummary? From(RunId runId, IReadOnlyDictionary<string, string> metadata) =>
        metadata.TryGetValue("state", out var state) && TryParseState(state, out var parsed)
        && metadata.TryGetValue("worker", out var worker)
        && metadata.TryGetValue("created", out var created) && TimeText.TryParse(created, out var createdAt)
            ? new()
            {
                RunId = runId,
                State = parsed,
                WorkerId = Uri.UnescapeDataString(worker),
                Title = metadata.TryGetValue("title", out var title) ? Uri.UnescapeDataString(title) : null,
                Trigger = metadata.GetValueOrDefault("trigger", ""),
                CreatedAt = createdAt,
                FinishedAt = metadata.TryGetValue("finished", out var finished) && TimeText.TryParse(finished, out var finishedAt) ? finishedAt : null,
            }
            : null;

    private static bool TryParseState(string text, out RunState state)
    {
        foreach (var candidate in Enum.GetValues<RunState>())
        {
            if (candidate.Text() == text)
            {
                state = candidate;
                return true;
            }
        }

        state = default;
        return false;
    }
}
