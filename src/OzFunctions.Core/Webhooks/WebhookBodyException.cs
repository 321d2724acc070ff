namespace OzFunctions.Webhooks;

/// <summary>A genuine delivery that cannot be read. The message is for its sender; answered with 400.</summary>
internal sealed class WebhookBodyException(string message) : Exception(message);
