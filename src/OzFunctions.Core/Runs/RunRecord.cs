using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Requests;

namespace OzFunctions.Runs;

/// <summary>The only truth about a run (design section 6). Written by <see cref="RunRecords"/> and nowhere else.</summary>
public sealed record RunRecord
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    public required RunId RunId { get; init; }

    public required RunState State { get; init; }

    public RunReason? Reason { get; init; }

    public string? Message { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>When the agent was started first.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public required string WorkerId { get; init; }

    public required RunRequest Request { get; init; }

    public required RunTrigger Trigger { get; init; }

    public string? AskedBy { get; init; }

    public RunId? RetryOf { get; init; }

    public string? Traceparent { get; init; }

    /// <summary>Names the idempotency key's blob that leads here; null: the request had none.</summary>
    public string? KeySha256 { get; init; }

    /// <summary>Who owns the run; null while nobody does. Terminal keeps the last one.</summary>
    public RunOwner? Owner { get; init; }

    /// <summary>Grows with every change of owner; kept when the owner is removed.</summary>
    [JsonIgnore]
    public int Fence => Owner?.Fence ?? LastFence ?? 0;

    /// <summary>The fence of the last owner, kept while nobody owns the run.</summary>
    public int? LastFence { get; init; }

    /// <summary>Number of the current or last attempt; 0 before the first claim.</summary>
    public int Attempt { get; init; }

    /// <summary>How many times the agent was executed; <c>max_attempts</c> counts these.</summary>
    public int Starts { get; init; }

    public int PrestartFailures { get; init; }

    public DateTimeOffset? RetryAt { get; init; }

    public WaitingFor? WaitingFor { get; init; }

    public RunCancel? Cancel { get; init; }

    public IReadOnlyList<AttemptRecord> Attempts { get; init; } = [];

    public IReadOnlyList<OutboxEntry>? Outbox { get; init; }

    /// <summary>The completion event as it was rendered by the write that made the run terminal.</summary>
    public JsonElement? Event { get; init; }

    /// <summary>The attempt whose number is <see cref="Attempt"/>; null before the first claim.</summary>
    [JsonIgnore]
    public AttemptRecord? CurrentAttempt => Attempts.Count > 0 && Attempts[^1].Attempt == Attempt ? Attempts[^1] : null;

    /// <summary>The concurrency key under which the current attempt was claimed; null: none.</summary>
    [JsonIgnore]
    public string? ConcurrencyKey => Request.ConcurrencyKey ?? CurrentAttempt?.ConcurrencyKey;

    /// <summary>The title a person sees: the request's own, else its name.</summary>
    [JsonIgnore]
    public string? Title => Request.Title ?? Request.Name;

    /// <summary>How many starts the request allows.</summary>
    [JsonIgnore]
    public int MaxStarts => Request.MaxAttempts ?? 1;
}

/// <summary>What asked for the run.</summary>
public sealed record RunTrigger
{
    public required TriggerKind Kind { get; init; }

    public string? Name { get; init; }

    public string? DeliveryId { get; init; }
}

[JsonConverter(typeof(TriggerKindConverter))]
public enum TriggerKind
{
    Queue,
    Schedule,
    Webhook,
    Api,
    Cli,
    Exec,
}

internal sealed class TriggerKindConverter() : JsonStringEnumConverter<TriggerKind>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>Ownership: stands in the record and nowhere else (guarantee 3).</summary>
/// <param name="HostId">The process that owns the run.</param>
/// <param name="Fence">Grows with every change of owner.</param>
/// <param name="Dir">The attempt directory, 16 hex digits.</param>
public sealed record RunOwner(string HostId, int Fence, string Dir);

[JsonConverter(typeof(WaitingForConverter))]
public enum WaitingFor
{
    NotBefore,
    ConcurrencyKey,
    Retry,
}

internal sealed class WaitingForConverter() : JsonStringEnumConverter<WaitingFor>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>A wish to cancel, noted in the record by whoever asked first.</summary>
public sealed record RunCancel(string By, DateTimeOffset At, string? Reason = null);

/// <summary>An event still owed to a publisher.</summary>
/// <param name="Publisher">Its name in the configuration of the worker.</param>
/// <param name="Tries">How often it was tried in vain.</param>
/// <param name="NextAt">Not before then; null: at once.</param>
/// <param name="HostId">The host that is at it and keeps it from the others until <paramref name="NextAt"/>; null: none, or one that left no name.</param>
/// <param name="WorkerId">The worker whose publisher it is, where that is not the run's: one that no host ever served when this was owed. Null: the run's.</param>
public sealed record OutboxEntry(string Publisher, int Tries, DateTimeOffset? NextAt = null, string? HostId = null, string? WorkerId = null);
