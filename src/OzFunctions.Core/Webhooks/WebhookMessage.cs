using System.Text.Json;

namespace OzFunctions.Webhooks;

/// <summary>One genuine delivery, read: its id, what happened, and the payload. An arrival may hold several (CloudEvents batches).</summary>
/// <param name="Id">Names the delivery for good: the same one again is a repeat.</param>
/// <param name="Event">What happened, in the sender's words; null where the kind does not say.</param>
internal sealed record WebhookMessage(string Id, string? Event, JsonElement Payload);

/// <summary>Who set a delivery off and who wrote its text, as its payload says.</summary>
internal sealed record WebhookOrigin
{
    /// <summary>Nobody is named.</summary>
    public static WebhookOrigin Unknown { get; } = new();

    public string? Action { get; init; }

    /// <summary>The names that <c>senders</c> and <c>bots</c> may list: none that a person chooses for himself.</summary>
    public IReadOnlyList<string> Sender { get; init; } = [];

    /// <summary>What people are shown; by default the first of <see cref="Sender"/>.</summary>
    public string? Shown { get => field ?? (Sender is [var first, ..] ? first : null); init; }

    public bool IsBot { get; init; }

    /// <summary>Why whoever wrote the text is an outsider; null: is none.</summary>
    public string? Stranger { get; init; }

    /// <summary>Why this is nothing to act upon, such as a ping; null: it may be.</summary>
    public string? Idle { get; init; }

    public IReadOnlyList<string> Labels { get; init; } = [];
}
