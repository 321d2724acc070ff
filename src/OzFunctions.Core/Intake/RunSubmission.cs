using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Intake;

/// <summary>A checked request on its way in, with what asked for it.</summary>
public sealed record RunSubmission
{
    public required RunRequest Request { get; init; }

    public required RunTrigger Trigger { get; init; }

    /// <summary>Made by <see cref="IntakeKeys"/>, so that keys of different kinds never meet; null: every submission is a run of its own.</summary>
    public string? Key { get; init; }

    public string? AskedBy { get; init; }

    public RunId? RetryOf { get; init; }

    /// <summary>Most runs of the same webhook that may wait; null: only the worker's limit holds.</summary>
    public int? MaxQueued { get; init; }

    /// <summary>W3C trace context of the caller.</summary>
    public string? Traceparent { get; init; }
}

/// <summary>Texts of idempotency keys, a kind each (protocol, Intake).</summary>
public static class IntakeKeys
{
    public static string? Cli(string? key) => key is null ? null : "cli:" + key;

    public static string Api(string apiKeyId, string key) => $"api:{apiKeyId}:{key}";

    public static string Queue(string queue, string messageId) => $"queue:{queue}:{messageId}";

    public static string Webhook(string name, string deliveryId) => $"webhook:{name}:{deliveryId}";

    public static string Schedule(string name, string instant) => $"schedule:{name}:{instant}";
}

/// <summary>The answer of intake: the run that this request became, or had become before.</summary>
/// <param name="Created">False: the key was known, and this is the first run.</param>
/// <param name="RequestDiffers">The key was known, with another request.</param>
public sealed record IntakeAnswer(RunRecord Run, bool Created, bool RequestDiffers);

/// <summary>Intake refused: too much waits already. Nothing was started or kept.</summary>
public sealed class QueueFullException : Exception
{
    private QueueFullException(string message)
        : base(message)
    {
    }

    /// <summary>When it makes sense to try again: hosts take runs as others end, which nobody can foresee.</summary>
    public TimeSpan RetryAfter { get; } = TimeSpan.FromSeconds(30);

    public static QueueFullException OfWorker(string workerId, int most) =>
        new($"{most} runs wait for worker '{workerId}' already (limits.max_queued). Try again later, raise the limit, or start another host.");

    public static QueueFullException OfWebhook(string webhook, int most) =>
        new($"{most} runs of webhook '{webhook}' wait already (its max_queued). Try again later, raise the limit, or start another host.");
}
