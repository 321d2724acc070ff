using OzFunctions.Webhooks.Deliveries;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Webhooks;

/// <summary>One configured webhook with its secrets. Prints its name only.</summary>
public sealed record WebhookOptions
{
    /// <summary>Last segment of its address, <c>/api/v1/webhooks/&lt;name&gt;</c>.</summary>
    public required string Name { get; init; }

    public required WebhookKind Kind { get; init; }

    /// <summary>Any of them may have signed; two while one replaces the other. Never empty: a webhook without a secret does not exist.</summary>
    public required IReadOnlyList<string> Secrets { get; init; }

    /// <summary>Header of the signature or token, where the kind leaves it open.</summary>
    public string? Header { get; init; }

    /// <summary>Header of the delivery's id (<see cref="WebhookKind.Hmac"/>, <see cref="WebhookKind.Token"/>). Default: <c>Idempotency-Key</c>.</summary>
    public string IdHeader { get; init; } = "Idempotency-Key";

    /// <summary>Header of the event's name (hmac, token); null: the member <c>type</c> of the body.</summary>
    public string? EventHeader { get; init; }

    /// <summary>How far a signed time may be from ours, in both directions. Default: 1 minute for Linear, 5 minutes for the others.</summary>
    public TimeSpan? Tolerance { get; init; }

    /// <summary>
    /// How long the same signed body under another id is a repeat, for kinds whose ids are not signed; zero: never. At most <see cref="SignedBodies.MostWindow"/>.
    /// Default: 14 days for GitHub and Linear, an hour for hmac.
    /// </summary>
    public TimeSpan? ReplayWindow { get; init; }

    /// <summary>Most bytes of one delivery. Default: 1 MiB.</summary>
    public int MostBytes { get; init; } = 1 << 20;

    /// <summary>Who may ask for the CloudEvents handshake. Default: Event Grid.</summary>
    public IReadOnlyList<string> Origins { get; init; } = ["eventgrid.azure.net"];

    public WebhookFilterOptions Filter { get; init; } = new();

    /// <summary>Most runs of this webhook that may wait; null: only the worker's limit holds.</summary>
    public int? MaxQueued { get; init; }

    /// <summary>A disabled webhook is as unknown as one that does not exist.</summary>
    public bool Enabled { get; init; } = true;

    public required RequestTemplate Request { get; init; }

    public override string ToString() => Name;
}

/// <summary>Which deliveries start a run. Null or empty lists let everything pass, but for bots and strangers, who must be let in by name.</summary>
public sealed record WebhookFilterOptions
{
    /// <summary>Names of events, or <c>event.action</c>.</summary>
    public IReadOnlyList<string>? Events { get; init; }

    public IReadOnlyList<string>? Actions { get; init; }

    /// <summary>The label that was set, else one of those that the thing has.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Who may set it off: GitHub logins, Slack user ids, Linear ids or addresses.</summary>
    public IReadOnlyList<string>? Senders { get; init; }

    /// <summary>Bots that may; all others are refused.</summary>
    public IReadOnlyList<string> Bots { get; init; } = [];

    /// <summary>GitHub's <c>author_association</c> of whoever wrote the text.</summary>
    public IReadOnlyList<string> Associations { get; init; } = ["OWNER", "MEMBER", "COLLABORATOR"];

    /// <summary>Also those who belong neither to the repository nor to the workspace. Default: false.</summary>
    public bool Outsiders { get; init; }

    /// <summary>Paths that must hold something.</summary>
    public IReadOnlyList<PayloadPath> Required { get; init; } = [];

    /// <summary>Paths that must hold one of these texts.</summary>
    public IReadOnlyList<PathRule> Where { get; init; } = [];

    /// <summary>Paths whose text must hold one of these words, outside of quotations and comments.</summary>
    public IReadOnlyList<PathRule> Contains { get; init; } = [];
}

/// <summary>A place in the payload, and the texts that are wanted there.</summary>
public sealed record PathRule(PayloadPath Path, IReadOnlyList<string> Texts);
