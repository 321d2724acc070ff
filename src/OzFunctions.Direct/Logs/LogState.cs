using System.Text.Json.Serialization;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>A place in the log from which it can be rendered on: what stands before it in the blob, and where both spools stood.</summary>
internal sealed record LogState
{
    /// <summary>Length of the blob.</summary>
    public long Blob { get; init; }

    /// <summary>Number of the next line.</summary>
    public long N { get; init; } = 1;

    public SpoolPosition Spool { get; init; }

    public SpoolPosition Host { get; init; }

    public RenderState Render { get; init; } = RenderState.Empty;

    /// <summary>How many lines rendered from here stand in the blob already.</summary>
    public long Skip { get; init; }

    /// <summary>The blob is appended to live until it is this long.</summary>
    public required long HeadEnd { get; init; }

    /// <summary>Bytes of output that were left out so far.</summary>
    public long CutBytes { get; init; }

    public int Appends { get; init; }
}

/// <summary>What is noted before bytes are appended: rendering this range again gives the same bytes.</summary>
internal sealed record LogJournalEntry
{
    public required LogState From { get; init; }

    public required SpoolPosition SpoolTo { get; init; }

    public required SpoolPosition HostTo { get; init; }

    /// <summary>The range is what is left of it after the cut, appended in several parts.</summary>
    public bool Tail { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(LogJournalEntry))]
internal sealed partial class LogJson : JsonSerializerContext;
