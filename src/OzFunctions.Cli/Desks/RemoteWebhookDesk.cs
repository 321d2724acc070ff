using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Json;
using OzFunctions.Runs;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Desks;

/// <summary>Webhooks behind a front door elsewhere (<c>--server</c>).</summary>
internal sealed class RemoteWebhookDesk(RemoteCalls calls) : IWebhookDesk
{
    private const string Deliveries = "webhook-deliveries";

    public async Task<IReadOnlyList<WebhookView>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await calls.GetAsync("webhooks", cancellationToken)).GetProperty("webhooks").EnumerateArray().Select(webhook => new WebhookView(
            webhook.GetProperty("name").GetString()!,
            webhook.GetProperty("kind").GetString()!,
            webhook.GetProperty("address").GetString()!,
            webhook.GetProperty("enabled").GetBoolean(),
            Text(webhook, "last_received_at") is { } text && TimeText.TryParse(text, out var time) ? time : null,
            Text(webhook, "last_result")))];

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

        return [.. (await calls.GetAsync(path.ToString(), cancellationToken)).GetProperty("deliveries").EnumerateArray().Select(Read)];
    }

    public async Task<WebhookDelivery?> FindDeliveryAsync(string webhook, string id, CancellationToken cancellationToken) =>
        await calls.FindAsync(PathOf(webhook, id), cancellationToken) is { } json ? Read(json) : null;

    public async Task<Redelivery?> RedeliverAsync(WebhookDelivery delivery, bool newRun, CancellationToken cancellationToken)
    {
        // Another run by a call that is repeated would be two.
        using var response = await calls.OpenOnceAsync(
            HttpMethod.Post, PathOf(delivery.Webhook, delivery.Id) + "/redeliver", newRun ? """{"new_run":true}"""u8.ToArray() : "{}"u8.ToArray(), cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            return null;
        }

        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync(cancellationToken));
        var answer = document.RootElement;
        return new(
            Text(answer, "run_id") is { } run ? RunId.Parse(run) : null,
            answer.TryGetProperty("created", out var created) && created.GetBoolean(),
            Text(answer, "reason"),
            answer.TryGetProperty("faults", out var faults) ? [.. faults.EnumerateArray().Select(fault => fault.Deserialize(DeliveryJson.Wire.RequestFault)!)] : []);
    }

    public ValueTask DisposeAsync()
    {
        calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string PathOf(string webhook, string id) => $"{Deliveries}/{Uri.EscapeDataString(webhook)}/{Uri.EscapeDataString(id)}";

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    private WebhookDelivery Read(JsonElement json) => json.GetProperty("schema").GetInt32() <= WebhookDelivery.CurrentSchema
        ? json.Deserialize(DeliveryJson.Wire.WebhookDelivery)!
        : throw CommandException.Unavailable($"{calls.Address} is of a newer version than this ozf: upgrade ozf.");
}
