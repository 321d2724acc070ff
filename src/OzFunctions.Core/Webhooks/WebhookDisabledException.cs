namespace OzFunctions.Webhooks;

/// <summary>A person asked a webhook that is switched off to take a delivery in. Nothing was started.</summary>
public sealed class WebhookDisabledException(string webhook)
    : Exception($"webhook '{webhook}' is disabled in the configuration (enabled: false): it takes nothing in until that is changed.");
