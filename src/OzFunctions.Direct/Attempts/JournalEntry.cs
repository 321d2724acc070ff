using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Artifacts;
using OzFunctions.Direct.Accounts;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>One line of an attempt's journal.</summary>
internal sealed record JournalEntry
{
    public required DateTimeOffset At { get; init; }

    public required JournalStep Step { get; init; }

    public string? Path { get; init; }

    public string? Message { get; init; }

    /// <summary>Name of a <see cref="RunReason"/> on the wire.</summary>
    [JsonPropertyName("reason")]
    public string? ReasonText { get; init; }

    [JsonIgnore]
    public RunReason Reason => Enum.GetValues<RunReason>().First(reason => reason.Text() == ReasonText);

    /// <summary>HEAD of each repository after setup.</summary>
    public IReadOnlyDictionary<string, string>? Heads { get; init; }

    public ArtifactSummary? Artifacts { get; init; }

    /// <summary>The first kept files, for the completion event.</summary>
    public IReadOnlyList<ArtifactEntry>? Kept { get; init; }

    public string? AgentVersion { get; init; }

    public double? Seconds { get; init; }

    public string? TeardownCommand { get; init; }

    public TimeSpan? TeardownTimeout { get; init; }

    public TimeSpan? StopGrace { get; init; }

    public Account? User { get; init; }
}

/// <summary>What the journal remembers; appended to, never renamed.</summary>
[JsonConverter(typeof(JournalStepConverter))]
internal enum JournalStep
{
    /// <summary>The first step is about to be taken: what must stay as it is for the whole attempt, should another configuration come with the next host.</summary>
    Begun,

    /// <summary>The workspace at <see cref="JournalEntry.Path"/> is about to be made by this attempt.</summary>
    WorkspaceMine,

    /// <summary>It was made; or, without <see cref="WorkspaceMine"/> before it, the shared target directory at <see cref="JournalEntry.Path"/> is in use.</summary>
    WorkspaceReady,

    /// <summary>A shim is about to be launched.</summary>
    ShimRequested,

    /// <summary>Setup is over and did not fail.</summary>
    SetupDone,

    /// <summary>The shim is about to be told to execute the agent.</summary>
    AgentRequested,

    /// <summary>How the attempt ended; nothing that comes later changes it.</summary>
    Ended,

    ArtifactsDone,

    /// <summary>Teardown is about to start and starts never again.</summary>
    TeardownMarked,

    WorkspaceRemoved,

    Warning,
}

internal sealed class JournalStepConverter() : JsonStringEnumConverter<JournalStep>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);
