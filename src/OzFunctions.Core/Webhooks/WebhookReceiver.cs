using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Telemetry;
using OzFunctions.Webhooks.Deliveries;
using OzFunctions.Webhooks.Schemes;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Webhooks;

/// <summary>
/// Turns deliveries into runs. In this order, each step with nothing done before it: is it known, is it small enough, is it genuine and fresh (raw bytes), can it be
/// read, is it wanted, has it been here, is there room. Accepted means durable; the run does not wait for anything here.
/// </summary>
public sealed partial class WebhookReceiver
{
    private readonly Dictionary<string, Webhook> _webhooks;
    private readonly RunIntake _intake;
    private readonly RunRecords _records;
    private readonly SignedBodies _bodies;
    private readonly TimeProvider _time;
    private readonly ILogger<WebhookReceiver> _logger;
    private readonly RefusalLog _refusals;

    public WebhookReceiver(IReadOnlyList<WebhookOptions> webhooks, OzCore core, ILogger<WebhookReceiver> logger)
    {
        _webhooks = webhooks.ToDictionary(webhook => webhook.Name, webhook => new Webhook(webhook), StringComparer.Ordinal);
        (_intake, _records, _bodies, _time, _logger) = (core.Intake, core.Records, core.SignedBodies, core.Ports.Time, logger);
        _refusals = new(_time);
        Log = core.WebhookDeliveries;
    }

    public DeliveryLog Log { get; }

    public IReadOnlyCollection<WebhookOptions> Webhooks => [.. _webhooks.Values.Select(webhook => webhook.Options)];

    /// <summary>How many bytes to read of a delivery before it is refused; null: nothing by this name listens.</summary>
    public int? FindLimit(string name) => Find(name)?.Options.MostBytes;

    /// <param name="statusRoot">What the address of a run's status begins with, <c>https://runs.example.com</c>; empty for a relative one.</param>
    public async Task<WebhookAnswer> ReceiveAsync(string name, WebhookArrival arrival, string statusRoot, CancellationToken cancellationToken)
    {
        if (Find(name) is not { } webhook)
        {
            return WebhookAnswer.NotFound;
        }

        if (arrival.Method == "OPTIONS" && webhook.Scheme.AnswerHandshake(arrival) is { } consent)
        {
            return consent;
        }

        if (arrival.Method != "POST")
        {
            return WebhookAnswer.MethodNotAllowed;
        }

        if (arrival.Body.Length > webhook.Options.MostBytes)
        {
            LogRefusal(name, "it is larger than max_body");
            return WebhookAnswer.TooLarge(webhook.Options.MostBytes);
        }

        if (webhook.Scheme.FindForgery(arrival, _time.GetUtcNow()) is { } forgery)
        {
            LogRefusal(name, forgery);
            return WebhookAnswer.Unauthorized;
        }

        WebhookReading reading;
        try
        {
            reading = webhook.Scheme.Read(arrival);
        }
        catch (WebhookBodyException ex)
        {
            LogRefusal(name, ex.Message);
            return WebhookAnswer.Unreadable(ex.Message);
        }

        if (reading.Answer is { } answer)
        {
            Answered(name);
            return answer;
        }

        var traceparent = OzTelemetry.FindTraceparent(arrival.Find("traceparent"));
        var taken = new List<Taken>(reading.Messages.Count);
        foreach (var message in reading.Messages)
        {
            taken.Add(await TakeAsync(webhook, message, arrival.Body, traceparent, cancellationToken));
        }

        return Answer(webhook, reading.Messages, taken, statusRoot);
    }

    /// <summary>
    /// Takes a stored delivery in again by today's configuration. Null: this webhook is not configured (any more), or the payload is not kept.
    /// Throws <see cref="WebhookDisabledException"/> when it is switched off, <see cref="QueueFullException"/> when too much waits.
    /// </summary>
    /// <param name="newRun">A run of its own whatever there is; else one that the delivery has already is answered.</param>
    /// <param name="key">A repeat with the same key answers the first new run; null: every call starts one. Without <paramref name="newRun"/> it has no effect.</param>
    public async Task<RedeliveryAnswer?> RedeliverAsync(WebhookDelivery delivery, bool newRun, string? key, CancellationToken cancellationToken)
    {
        if (!_webhooks.TryGetValue(delivery.Webhook, out var webhook) || delivery.Payload is not { } payload)
        {
            return null;
        }

        if (!webhook.Options.Enabled)
        {
            throw new WebhookDisabledException(delivery.Webhook);
        }

        var message = new WebhookMessage(delivery.Id, delivery.Event, payload);
        var filled = Decide(webhook, message, webhook.Scheme.Describe(message.Event, payload), out var reason);
        if (filled is null)
        {
            return new(null, false, reason, []);
        }

        if (filled.Faults.Count > 0)
        {
            return new(null, false, null, filled.Faults);
        }

        if (!newRun && delivery.RunId is { } had && await _records.FindAsync(had, cancellationToken) is { Record: var run })
        {
            // Also of one that came under an id of its own with the body of another.
            return new(run, false, null, []);
        }

        var answer = await SubmitAsync(webhook, message, filled, newRun ? key : KeyOf(webhook, message.Id, filled), delivery.Sender, null, cancellationToken);
        if (answer.Created)
        {
            await NoteAsync(delivery, entry => Log.NoteRedeliveryAsync(entry.Webhook, entry.Id, answer.Run.RunId, cancellationToken));
        }

        return new(answer.Run, answer.Created, null, []);
    }

    private Webhook? Find(string name) => _webhooks.TryGetValue(name, out var webhook) && webhook.Options.Enabled ? webhook : null;

    private static FilledRequest? Decide(Webhook webhook, WebhookMessage message, WebhookOrigin origin, out string? reason)
    {
        reason = webhook.Filter.FindReason(message, origin);
        if (reason is not null)
        {
            return null;
        }

        var filled = webhook.Options.Request.Fill(message.Payload, webhook.Options.Name);
        reason = filled.Missing;
        return reason is null ? filled : null;
    }

    private async Task<Taken> TakeAsync(Webhook webhook, WebhookMessage message, ReadOnlyMemory<byte> body, string? traceparent, CancellationToken cancellationToken)
    {
        var name = webhook.Options.Name;
        var origin = webhook.Scheme.Describe(message.Event, message.Payload);
        var now = _time.GetUtcNow();
        var delivery = Describe(webhook, message, origin, now);
        if (Decide(webhook, message, origin, out var unwanted) is not { } filled)
        {
            Filtered(name, message.Id, unwanted!);
            await NoteAsync(delivery with { Result = DeliveryResult.Filtered, Reason = unwanted }, entry => Log.AddAsync(entry, now, cancellationToken));
            return new(DeliveryResult.Filtered, Reason: unwanted);
        }

        if (filled.Faults.Count > 0)
        {
            LogRefusal(name, RequestProblem.Summary(filled.Faults));
            await NoteAsync(delivery with { Result = DeliveryResult.Faulty, Reason = RequestProblem.Summary(filled.Faults) }, entry => Log.AddAsync(entry, now, cancellationToken));
            return new(DeliveryResult.Faulty, Faults: filled.Faults);
        }

        try
        {
            var first = await FindFirstAsync(webhook, message, body, filled, cancellationToken);
            var answer = await SubmitAsync(webhook, message, filled, KeyOf(webhook, first?.Id ?? message.Id, filled), delivery.Sender, traceparent, cancellationToken);
            Accepted(answer.Run.RunId, name, message.Id, answer.Created);
            var reason = first is not { } known || known.Id == message.Id ? null : $"the same signed body came before as delivery '{known.Id}' (replay_window)";
            await NoteAsync(delivery with { RunId = answer.Run.RunId, Reason = reason }, async entry =>
            {
                if (await FindTimeAsync(webhook, message, body, first, answer.Run, cancellationToken) is { } at)
                {
                    await (answer.Created ? Log.AddAsync(entry, at, cancellationToken) : Log.NoteRepeatAsync(entry, at, cancellationToken));
                }
            });
            return new(DeliveryResult.Accepted, answer.Run, answer.Created);
        }
        catch (QueueFullException ex)
        {
            // Senders that do not try again by themselves leave it to 'ozf webhooks redeliver'; a flood of them is not to fill the store as well.
            if (_refusals.MayKeep(name))
            {
                await NoteAsync(delivery with { Result = DeliveryResult.Refused, Reason = ex.Message }, entry => Log.AddAsync(entry, now, cancellationToken));
            }

            LogRefusal(name, ex.Message);
            return new(DeliveryResult.Refused, RetryAfter: ex.RetryAfter);
        }
    }

    /// <summary>Whose id stands for this delivery: where ids are not signed, that of the first with the same signed bytes. Null: its own, whatever came before.</summary>
    private async Task<FirstDelivery?> FindFirstAsync(Webhook webhook, WebhookMessage message, ReadOnlyMemory<byte> body, FilledRequest filled, CancellationToken cancellationToken)
    {
        // An identity that the configuration makes of the signed body is the same already for the same bytes. An id that looks like the body's is not:
        // the first may have come under another, and a header is as easily taken away as put there.
        var window = webhook.Scheme.UsualReplayWindow(message.Payload) is { } usual ? webhook.Options.ReplayWindow ?? usual : TimeSpan.Zero;
        return window == TimeSpan.Zero || filled.Identity is not null
            ? null
            : await _bodies.FindFirstAsync(webhook.Options.Name, body, message.Id, window, cancellationToken);
    }

    /// <summary>
    /// The time that names the delivery's entry, the same whenever and wherever it comes again: of the run that it made, else of its own first arrival. Null: it is one of
    /// too many with the same body.
    /// </summary>
    private async Task<DateTimeOffset?> FindTimeAsync(
        Webhook webhook, WebhookMessage message, ReadOnlyMemory<byte> body, FirstDelivery? first, RunRecord run, CancellationToken cancellationToken) =>
        run.Trigger.DeliveryId == message.Id
            ? run.CreatedAt
            : (first ?? await _bodies.FindFirstAsync(webhook.Options.Name, body, message.Id, SignedBodies.MostWindow, cancellationToken)).At;

    private static string KeyOf(Webhook webhook, string id, FilledRequest filled) => IntakeKeys.Webhook(webhook.Options.Name, filled.Identity ?? id);

    private Task<IntakeAnswer> SubmitAsync(
        Webhook webhook, WebhookMessage message, FilledRequest filled, string? key, string? sender, string? traceparent, CancellationToken cancellationToken) =>
        _intake.SubmitAsync(
            new()
            {
                Request = filled.Request!,
                Trigger = new() { Kind = TriggerKind.Webhook, Name = webhook.Options.Name, DeliveryId = message.Id },
                Key = key,
                AskedBy = sender,
                MaxQueued = webhook.Options.MaxQueued,
                Traceparent = traceparent,
            },
            cancellationToken);

    private static WebhookDelivery Describe(Webhook webhook, WebhookMessage message, WebhookOrigin origin, DateTimeOffset now)
    {
        var payload = Kept(message.Payload, webhook.Scheme.NotKept);
        var bytes = Encoding.UTF8.GetByteCount(payload.GetRawText());
        return new()
        {
            Webhook = webhook.Options.Name,
            Id = message.Id,
            ReceivedAt = now,
            Event = message.Event,
            Action = origin.Action,
            Sender = origin.Shown is { } who ? PayloadText.Cut(PayloadText.CleanLine(who), 200, "…") : null,
            Result = DeliveryResult.Accepted,
            PayloadBytes = bytes,
            Payload = bytes <= WebhookDelivery.MostPayloadBytes ? payload : null,
        };
    }

    private static JsonElement Kept(JsonElement payload, IReadOnlyList<string> notKept) =>
        payload.ValueKind != JsonValueKind.Object || !payload.EnumerateObject().Any(member => notKept.Contains(member.Name))
            ? payload
            : JsonSerializer.SerializeToElement(
                payload.EnumerateObject().Where(member => !notKept.Contains(member.Name)).DistinctBy(member => member.Name).ToDictionary(member => member.Name, member => member.Value),
                PayloadJson.Default.DictionaryStringJsonElement);

    /// <summary>The run is accepted, or nothing was: what the log cannot take changes neither.</summary>
    private async Task NoteAsync(WebhookDelivery delivery, Func<WebhookDelivery, Task> note)
    {
        try
        {
            await note(delivery);
        }
        catch (BlobStoreException ex)
        {
            NotNoted(delivery.Webhook, delivery.Id, ex);
        }
    }

    private static WebhookAnswer Answer(Webhook webhook, IReadOnlyList<WebhookMessage> messages, IReadOnlyList<Taken> taken, string statusRoot)
    {
        // Of a batch the sender sends all again when one was refused; those that were accepted are known then.
        if (taken.FirstOrDefault(one => one.Result == DeliveryResult.Refused) is { } refused)
        {
            return webhook.Scheme.AnswerInPlace(messages[0].Event, "Not now: too many runs wait already. Try again in a while.") ?? WebhookAnswer.Full(refused.RetryAfter);
        }

        if (taken is [var single])
        {
            return single.Result switch
            {
                DeliveryResult.Faulty => WebhookAnswer.Faulty(single.Faults!),
                DeliveryResult.Filtered => webhook.Scheme.AnswerInPlace(messages[0].Event, "Nothing was started: this webhook does not act upon that.") ?? WebhookAnswer.NoContent,
                _ => webhook.Scheme.AnswerInPlace(messages[0].Event, $"Run {single.Run!.RunId} is accepted: {StatusUrl(single.Run, statusRoot)}")
                    ?? WebhookAnswer.Accepted(single.Run!, single.Created, StatusUrl(single.Run!, statusRoot)),
            };
        }

        if (taken.All(one => one.Run is null))
        {
            return taken.FirstOrDefault(one => one.Result == DeliveryResult.Faulty) is { } faulty ? WebhookAnswer.Faulty(faulty.Faults!) : WebhookAnswer.NoContent;
        }

        return WebhookAnswer.Json(
            202,
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("deliveries");
                foreach (var (message, one) in messages.Zip(taken))
                {
                    json.WriteStartObject();
                    json.WriteString("id", message.Id);
                    json.WriteString("result", JsonNamingPolicy.SnakeCaseLower.ConvertName(one.Result.ToString()));
                    if (one.Run is { } run)
                    {
                        WebhookAnswer.WriteRun(json, run, one.Created, StatusUrl(run, statusRoot));
                    }

                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
    }

    private static string StatusUrl(RunRecord run, string statusRoot) => $"{statusRoot}/api/v1/agent/runs/{run.RunId}";

    /// <summary>A prober may knock as often as he likes: one line a while for each cause.</summary>
    private void LogRefusal(string name, string cause)
    {
        if (_refusals.MaySay(name, cause, out var unsaid))
        {
            Refused(name, cause, unsaid);
        }
    }

    [LoggerMessage(LogLevel.Information, "Run {RunId} taken in from webhook {Webhook}, delivery {DeliveryId} (new: {Created})")]
    private partial void Accepted(RunId runId, string webhook, string deliveryId, bool created);

    [LoggerMessage(LogLevel.Debug, "Webhook {Webhook} answered its sender's question")]
    private partial void Answered(string webhook);

    [LoggerMessage(LogLevel.Debug, "Delivery {DeliveryId} of webhook {Webhook} started nothing: {Reason}")]
    private partial void Filtered(string webhook, string deliveryId, string reason);

    [LoggerMessage(LogLevel.Warning, "A delivery to webhook {Webhook} was refused: {Cause} (and {Unsaid} more like it since the last line)")]
    private partial void Refused(string webhook, string cause, int unsaid);

    [LoggerMessage(LogLevel.Warning, "Delivery {DeliveryId} of webhook {Webhook} could not be noted in the delivery log")]
    private partial void NotNoted(string webhook, string deliveryId, Exception exception);

    private sealed class Webhook(WebhookOptions options)
    {
        public WebhookOptions Options { get; } = options;

        public WebhookScheme Scheme { get; } = WebhookScheme.Create(options);

        public WebhookFilter Filter { get; } = new(options.Filter);
    }

    private sealed record Taken(
        DeliveryResult Result, RunRecord? Run = null, bool Created = false, string? Reason = null, IReadOnlyList<RequestFault>? Faults = null, TimeSpan RetryAfter = default);
}

/// <summary>What became of a delivery that a person sent again: a run, or why not.</summary>
/// <param name="Created">False: the delivery had this run already.</param>
public sealed record RedeliveryAnswer(RunRecord? Run, bool Created, string? Reason, IReadOnlyList<RequestFault> Faults);

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, JsonElement>))]
internal sealed partial class PayloadJson : System.Text.Json.Serialization.JsonSerializerContext;
