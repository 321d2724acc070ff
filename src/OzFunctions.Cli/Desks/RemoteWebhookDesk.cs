using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Json;
using OzFunctions.Runs;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Desks;

/// <summary>Webhooks behind a front door elsewhere (<c>--server</c>).</summary>
internal sealed class RemoteWebhookDesk(RemoteCalls calls) : IWebhookDesk
{
    private const string Deliveries = "webhook-deliveries";

    public async Task<IReadOnlyList<WebhookView>> ListAsync(CancellationToken cancellationToken) =>
        calls.Read<IReadOnlyList<WebhookView>>(await calls.GetAsync("webhooks", cancellationToken), json => [.. json.GetProperty("webhooks").EnumerateArray().Select(webhook => new WebhookView(
            webhook.GetProperty("name").GetString()!,
            webhook.GetProperty("kind").GetString()!,
            webhook.GetProperty("address").GetString()!,
            webhook.GetProperty("enabled").GetBoolean(),
            Text(webhook, "last_received_at") is { } text && TimeText.TryParse(text, out var time) ? time : null,
            Text(webhook, "last_result")))]);

    public async Task<IReadOnlyList<WebhookDelivery>> ListDeliveriesAsync(string? webhook, DeliveryResult? result, int most, CancellationToken cancellationToken)
    {
        var path = new StringBuilder(Deliveries).Append(CultureInfo.InvariantCulture, $"?limit={most}");
        if (webhook is not null)
        {
            path.Append("&webhook=").Append(Uri.EscapeDataString(webhook));
        }

        if (result is { } wanted)
        {
            path.Append("&result=").Append(wanted.Text());
        }

        return calls.Read<IReadOnlyList<WebhookDelivery>>(await calls.GetAsync(path.ToString(), cancellationToken), json => [.. json.GetProperty("deliveries").EnumerateArray().Select(Read)]);
    }

    public async Task<WebhookDelivery?> FindDeliveryAsync(string webhook, string id, CancellationToken cancellationToken) =>
        await calls.FindAsync(PathOf(webhook, id), cancellationToken) is { } json ? Read(json) : null;

    public async Task<Redelivery?> RedeliverAsync(WebhookDelivery delivery, bool newRun, CancellationToken cancellationToken)
    {
        // Another run by a call that is repeated would be two.
        return await calls.PostOnceAsync(PathOf(delivery.Webhook, delivery.Id) + "/redeliver", newRun ? """{"new_run":true}"""u8.ToArray() : "{}"u8.ToArray(), cancellationToken) is { } answer
            ? calls.Read(answer, json => new Redelivery(
                Text(json, "run_id") is { } run ? RunId.Parse(run) : null,
                json.TryGetProperty("created", out var created) && created.GetBoolean(),
                Text(json, "reason"),
                json.TryGetProperty("faults", out var faults) ? [.. faults.EnumerateArray().Select(fault => fault.Deserialize(DeliveryJson.Wire.RequestFault)!)] : []))
            : null;
    }

    public ValueTask DisposeAsync()
    {
        calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string PathOf(string webhook, string id) => $"{Deliveries}/{Uri.EscapeDataString(webhook)}/{Uri.EscapeDataString(id)}";

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    private WebhookDelivery Read(JsonElement json) => calls.ReadRecord(json, WebhookDelivery.CurrentSchema, DeliveryJson.Wire.WebhookDelivery);
}
