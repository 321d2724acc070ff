using System.Text;
using Microsoft.Extensions.Logging;
using OzFunctions.DeadLetters;
using OzFunctions.Intake;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Queues;

/// <summary>What a queue's message means, for consumers that poll and for triggers that are called: a run, or a dead letter with every fault.</summary>
public sealed partial class MessageIntake(RunIntake intake, DeadLetterStore deadLetters, OzMetrics metrics, TimeProvider time, ILogger<MessageIntake> logger)
{
    public const string InvalidRequest = "invalid_request";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>Makes the run, or finds the faults. Trouble of ours is an exception: the message is to come back.</summary>
    /// <param name="queue">Part of the run's key: the request's own, else the message id.</param>
    /// <param name="traceparent">W3C trace context that came beside the message; one that is none is left out. It goes before that of a CloudEvent in the message.</param>
    public async Task<MessageVerdict> TakeAsync(string queue, string messageId, ReadOnlyMemory<byte> body, string? traceparent, CancellationToken cancellationToken)
    {
        var read = RunRequestReader.Read(body);
        if (!read.IsValid)
        {
            return new(null, read.Faults);
        }

        var answer = await intake.SubmitAsync(
            new()
            {
                Request = read.Request!,
                Trigger = new() { Kind = TriggerKind.Queue, Name = queue, DeliveryId = messageId },
                Key = IntakeKeys.Queue(queue, read.Request!.IdempotencyKey ?? messageId),
                Traceparent = OzTelemetry.FindTraceparent(traceparent) ?? read.Traceparent,
            },
            cancellationToken);
        return new(answer, []);
    }

    /// <summary>Keeps a message as a dead letter; answers its id. Durable when it answers; then the message may be completed. A repeat changes nothing. Its line in the log is one that alerts read (<c>infra/modules/alerts.bicep</c>).</summary>
    /// <param name="deliveries">1: nobody can have kept it before. Null: not known.</param>
    public Task<string> BuryAsync(
        string queue, string messageId, ReadOnlyMemory<byte> body, string reason, string description, IReadOnlyList<RequestFault> faults, int? deliveries, CancellationToken cancellationToken) =>
        BuryAsync(queue, messageId, body, reason, description, faults, letter => deadLetters.AddAsync(letter, mayBeThere: deliveries is not 1, cancellationToken));

    /// <summary>Keeps a message that a broker gave up, with the faults that are found in it now and what the broker says.</summary>
    /// <param name="deliveries">Null: not known, as of what lies in a storage queue's <c>-poison</c>, which is a copy that counts from one.</param>
    /// <param name="known">Ids of the letters there are, where many are kept in a row (<see cref="DeadLetterStore.FindIdsAsync"/>); null: looked up.</param>
    public Task<string> BuryGivenUpAsync(
        string queue,
        string messageId,
        ReadOnlyMemory<byte> body,
        string? reason,
        string? description,
        int? deliveries,
        CancellationToken cancellationToken,
        HashSet<string>? known = null)
    {
        var faults = RunRequestReader.Read(body).Faults;
        return BuryAsync(
            queue,
            messageId,
            body,
            reason ?? (faults.Count > 0 ? InvalidRequest : "delivered_too_often"),
            description ?? (faults.Count > 0 ? Describe(faults) : $"The message was delivered {(deliveries is { } count ? $"{count} times" : "as often as its queue allows")} and could not be taken in."),
            faults,
            letter => known is null ? deadLetters.AddAsync(letter, mayBeThere: true, cancellationToken) : deadLetters.AddAsync(letter, known, cancellationToken));
    }

    /// <summary>The ids of the letters there are.</summary>
    public Task<HashSet<string>> FindBuriedAsync(CancellationToken cancellationToken) => deadLetters.FindIdsAsync(cancellationToken);

    public static string Describe(IReadOnlyList<RequestFault> faults) => $"The message is not a run request: {faults.Count} fault(s).";

    /// <summary>How long a message that came for the n-th time is kept before it is given back: an outage must not use up its deliveries in seconds.</summary>
    public static TimeSpan PauseBefore(int delivery) =>
        delivery > 5 ? LongestPause : TimeSpan.FromSeconds(Math.Pow(2, Math.Max(0, delivery - 1)));

    private async Task<string> BuryAsync(
        string queue, string messageId, ReadOnlyMemory<byte> body, string reason, string description, IReadOnlyList<RequestFault> faults, Func<DeadLetter, Task> add)
    {
        var id = DeadLetterStore.IdOf(queue, messageId, body.Span);
        await add(new()
        {
            Id = id,
            Queue = queue,
            MessageId = messageId,
            Reason = reason,
            Description = description,
            Faults = faults,
            Body = Encoding.UTF8.GetString(body.Span),
            ReceivedAt = time.GetUtcNow(),
        });
        metrics.DeadLettered();
        Buried(queue, messageId, id, reason, faults is [var first, ..] ? first.ToString() : description);
        return id;
    }

    [LoggerMessage(LogLevel.Warning, "Message {MessageId} of {Queue} became dead letter {DeadLetterId} ({Reason}): {Fault}")]
    private partial void Buried(string queue, string messageId, string deadLetterId, string reason, string fault);
}

/// <summary>A run, or the faults of what was no request.</summary>
public sealed record MessageVerdict(IntakeAnswer? Answer, IReadOnlyList<RequestFault> Faults);
