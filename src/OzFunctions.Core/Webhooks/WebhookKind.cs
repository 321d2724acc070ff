using OzFunctions.Webhooks.Schemes;

namespace OzFunctions.Webhooks;

/// <summary>How deliveries are signed and what they look like.</summary>
public enum WebhookKind
{
    /// <summary>Standard Webhooks (standardwebhooks.com), symmetric signatures.</summary>
    Standard,

    GitHub,

    Slack,

    Linear,

    /// <summary>HMAC-SHA256 of the body in a header, hex or base64.</summary>
    Hmac,

    /// <summary>A static token in a header.</summary>
    Token,

    /// <summary>CloudEvents 1.0 and Event Grid, authenticated by a token in a header.</summary>
    CloudEvents,
}

/// <summary>Names of kinds as the configuration writes them.</summary>
public static class WebhookKinds
{
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetValues<WebhookKind>().Select(Text)];

    public static string Text(this WebhookKind kind) => kind.ToString().ToLowerInvariant();

    /// <summary>Why a secret cannot be one of this kind; null when it can. Does not show it.</summary>
    public static string? FindSecretFault(this WebhookKind kind, string secret) => kind == WebhookKind.Standard && StandardScheme.FindKey(secret) is null ? StandardScheme.KeyRule : null;

    public static WebhookKind Parse(string text) => Enum.Parse<WebhookKind>(text, ignoreCase: true);
}
