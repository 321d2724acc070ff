using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Desks;

/// <summary>What commands about webhooks ask for: of the store and configuration of this machine, or of a front door elsewhere.</summary>
internal interface IWebhookDesk : IAsyncDisposable
{
    Task<IReadOnlyList<WebhookView>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Newest first, at most so many, without payloads where they come from elsewhere.</summary>
    Task<IReadOnlyList<WebhookDelivery>> ListDeliveriesAsync(string? webhook, DeliveryResult? result, int most, CancellationToken cancellationToken);

    /// <summary>Null: there is no such delivery (any more).</summary>
    Task<WebhookDelivery?> FindDeliveryAsync(string webhook, string id, CancellationToken cancellationToken);

    /// <summary>Takes a delivery in again by the configuration there. Null: it does not know the webhook.</summary>
    Task<Redelivery?> RedeliverAsync(WebhookDelivery delivery, bool newRun, CancellationToken cancellationToken);
}

/// <summary>A configured webhook with its latest delivery.</summary>
internal sealed record WebhookView(string Name, string Kind, string Address, bool Enabled, DateTimeOffset? LastReceivedAt, string? LastResult);

/// <summary>What became of a delivery that a person sent again: a run, or why not.</summary>
/// <param name="Created">False: the delivery had this run already.</param>
internal sealed record Redelivery(RunId? RunId, bool Created, string? Reason, IReadOnlyList<RequestFault> Faults);
