using OzFunctions.Webhooks;

namespace OzFunctions.Configuration;

/// <summary>What the receiver needs of the configuration.</summary>
internal static class WebhookSetup
{
    /// <summary>
    /// The webhooks with their secrets. A secret that this process cannot read is left out, and nothing is genuine without one: who listens refuses
    /// <see cref="SecretValues.Faults"/> first.
    /// </summary>
    public static IReadOnlyList<WebhookOptions> Create(IReadOnlyList<WebhookConfiguration> webhooks, SecretValues secrets)
    {
        var options = new List<WebhookOptions>();
        foreach (var webhook in webhooks)
        {
            var one = new WebhookOptions
            {
                Name = webhook.Name,
                Kind = webhook.Kind,
                Secrets = [.. webhook.Secrets.Select(secrets.Find).OfType<string>()],
                Header = webhook.Header,
                EventHeader = webhook.EventHeader,
                Tolerance = webhook.Tolerance,
                ReplayWindow = webhook.ReplayWindow,
                Filter = webhook.Filter,
                MaxQueued = webhook.MaxQueued,
                Enabled = webhook.Enabled,
                Request = webhook.Request!,
            };
            options.Add(one with
            {
                IdHeader = webhook.IdHeader ?? one.IdHeader,
                MostBytes = webhook.MaxBody ?? one.MostBytes,
                Origins = webhook.Origins ?? one.Origins,
            });
        }

        return options;
    }
}
