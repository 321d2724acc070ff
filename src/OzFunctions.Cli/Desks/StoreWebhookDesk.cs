using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Desks;

/// <summary>Webhooks of the configuration here, and what the store that this call works on knows of their deliveries.</summary>
internal sealed class StoreWebhookDesk(OpenStore store, Settings settings, ILoggerFactory loggers) : IWebhookDesk
{
    private readonly DeliveryLog _log = store.Core.WebhookDeliveries;

    public async Task<IReadOnlyList<WebhookView>> ListAsync(CancellationToken cancellationToken)
    {
        var views = new List<WebhookView>();
        foreach (var webhook in settings.Configuration.Webhooks)
        {
            var last = (await _log.FindNewestAsync(webhook.Name, null, 1, cancellationToken)).FirstOrDefault();
            views.Add(new(webhook.Name, webhook.Kind.Text(), $"{settings.Configuration.PublicUrl}/api/v1/webhooks/{webhook.Name}", webhook.Enabled, last?.ReceivedAt, last?.Result.Text()));
        }

        return views;
    }

    public Task<IReadOnlyList<WebhookDelivery>> ListDeliveriesAsync(string? webhook, DeliveryResult? result, int most, CancellationToken cancellationToken) =>
        _log.FindNewestAsync(webhook, result, most, cancellationToken);

    public Task<WebhookDelivery?> FindDeliveryAsync(string webhook, string id, CancellationToken cancellationToken) => _log.FindAsync(webhook, id, cancellationToken);

    public async Task<Redelivery?> RedeliverAsync(WebhookDelivery delivery, bool newRun, CancellationToken cancellationToken)
    {
        var receiver = new WebhookReceiver(WebhookSetup.Create(settings.Configuration.Webhooks, settings.Secrets), store.Core, loggers.CreateLogger<WebhookReceiver>());
        try
        {
            return await receiver.RedeliverAsync(delivery, newRun, null, cancellationToken) is { } answer ? new(answer.Run?.RunId, answer.Created, answer.Reason, answer.Faults) : null;
        }
        catch (WebhookDisabledException ex)
        {
            throw CommandException.Usage(ex.Message);
        }
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();
}
