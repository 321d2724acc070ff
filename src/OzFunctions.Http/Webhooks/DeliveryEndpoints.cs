using System.Text.Json;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Intake;
using OzFunctions.Json;
using OzFunctions.Keys;
using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Http.Webhooks;

/// <summary>What came in through webhooks, for people with a key: the webhooks, the log of deliveries, and one taken in again.</summary>
internal sealed class DeliveryEndpoints(WebhookReceiver receiver, Uri? publicUrl) : IEndpoints
{
    private const string All = "/api/v1/webhook-deliveries";
    private const string One = All + "/{webhook}/{id}";
    private const int UsualMost = 50;
    private const int MostDeliveries = 1_000;

    public IEnumerable<Route> Routes =>
    [
        new("GET", "/api/v1/webhooks", Access.Key(KeyScopes.Read), ListWebhooksAsync),
        new("GET", All, Access.Key(KeyScopes.Read), ListAsync),
        new("GET", One, Access.Key(KeyScopes.Read), GetAsync),
        new("POST", One + "/redeliver", Access.Key(KeyScopes.Submit), RedeliverAsync),
    ];

    private async Task ListWebhooksAsync(ApiCall call)
    {
        var rows = new List<(WebhookOptions Webhook, WebhookDelivery? Last)>();
        foreach (var webhook in receiver.Webhooks)
        {
            rows.Add((webhook, (await receiver.Log.FindNewestAsync(webhook.Name, null, 1, call.Cancellation)).FirstOrDefault()));
        }

        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("webhooks");
            foreach (var (webhook, last) in rows)
            {
                json.WriteStartObject();
                json.WriteString("name", webhook.Name);
                json.WriteString("kind", webhook.Kind.Text());
                json.WriteString("address", $"{call.RootOf(publicUrl)}/api/v1/webhooks/{webhook.Name}");
                json.WriteBoolean("enabled", webhook.Enabled);
                if (last is not null)
                {
                    json.WriteString("last_received_at", TimeText.Format(last.ReceivedAt));
                    json.WriteString("last_result", last.Result.Text());
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private async Task ListAsync(ApiCall call)
    {
        var most = call.QueryLimit(UsualMost, MostDeliveries);
        var result = call.Query("result") is not { } word ? (DeliveryResult?)null
            : Enum.GetValues<DeliveryResult>().Where(value => value.Text() == word).Select(value => (DeliveryResult?)value).FirstOrDefault()
            ?? throw ApiException.Invalid("result", word, $"must be one of {string.Join(", ", Enum.GetValues<DeliveryResult>().Select(value => value.Text()))}");
        var deliveries = await receiver.Log.FindNewestAsync(call.Query("webhook"), result, most, call.Cancellation);
        await call.WriteJsonAsync(200, json => DeliveryJson.WriteList(json, deliveries));
    }

    private async Task GetAsync(ApiCall call)
    {
        var delivery = await FindAsync(call);
        await call.WriteJsonAsync(200, json => JsonSerializer.Serialize(json, delivery, DeliveryJson.Wire.WebhookDelivery));
    }

    private async Task RedeliverAsync(ApiCall call)
    {
        var delivery = await FindAsync(call);
        var body = await call.ReadObjectAsync(mayBeAbsent: true);
        var newRun = body.TryGetProperty("new_run", out var flag)
            && (flag.ValueKind is JsonValueKind.True or JsonValueKind.False ? flag.GetBoolean() : throw ApiException.Invalid("new_run", null, "must be true or false"));
        if (delivery.Payload is null)
        {
            throw new ApiException(ApiError.OperationNotSupported, $"The payload of this delivery ({delivery.PayloadBytes} bytes) was too large to be kept; let its sender send it again.");
        }

        // Without a new run it is the delivery itself that answers the first run.
        var key = newRun && call.IdempotencyKey(null) is { } given ? IntakeKeys.Api(call.Key!.Name, $"redeliver:{delivery.Webhook}:{delivery.Id}:{given}") : null;
        var answer = await RedeliverAsync(delivery, newRun, key)
            ?? throw ApiException.NotFound($"Webhook '{FaultValue.Shorten(delivery.Webhook)}' is not configured here (any more).");
        var result = answer.Run is not null ? DeliveryResult.Accepted : answer.Faults.Count > 0 ? DeliveryResult.Faulty : DeliveryResult.Filtered;
        await call.WriteJsonAsync(answer.Created ? 202 : 200, json =>
        {
            json.WriteStartObject();
            json.WriteString("result", result.Text());
            if (answer.Run is { } run)
            {
                json.WriteString("run_id", run.RunId.Value);
                json.WriteBoolean("created", answer.Created);
            }

            if (answer.Reason is { } reason)
            {
                json.WriteString("reason", reason);
            }

            if (answer.Faults.Count > 0)
            {
                json.WriteStartArray("faults");
                foreach (var fault in answer.Faults)
                {
                    JsonSerializer.Serialize(json, fault, DeliveryJson.Wire.RequestFault);
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        });
    }

    private async Task<RedeliveryAnswer?> RedeliverAsync(WebhookDelivery delivery, bool newRun, string? key)
    {
        try
        {
            // Accepted is accepted, also when the caller hangs up.
            return await receiver.RedeliverAsync(delivery, newRun, key, CancellationToken.None);
        }
        catch (WebhookDisabledException ex)
        {
            throw new ApiException(ApiError.Conflict, ex.Message);
        }
    }

    private async Task<WebhookDelivery> FindAsync(ApiCall call) => await receiver.Log.FindAsync(call.Value("webhook"), call.Value("id"), call.Cancellation)
        ?? throw ApiException.NotFound($"There is no delivery '{FaultValue.Shorten(call.Value("id"))}' of webhook '{FaultValue.Shorten(call.Value("webhook"))}'; entries are kept for {DeliveryLog.Kept.TotalDays:0} days.");
}
