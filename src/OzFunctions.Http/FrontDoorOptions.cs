using OzFunctions.Http.Keys;
using OzFunctions.Queues;

namespace OzFunctions.Http;

/// <summary>What the front door needs of the configuration.</summary>
public sealed record FrontDoorOptions
{
    /// <summary>The keys that open it; there is always one.</summary>
    public required IReadOnlyList<ApiKey> Keys { get; init; }

    /// <summary>Host names and addresses it may be called by, beside those of loopback and of <see cref="PublicUrl"/>.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Whether any IP address may stand in <c>Host</c>, for who listens on all of them. Default: no.</summary>
    public bool AnyAddressHost { get; init; }

    /// <summary>Where it is reached from outside; null: by the address it listens on.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary><c>oz-requests</c>, for dead letters that are put back; null: there is none.</summary>
    public IRequestQueue? Requests { get; init; }
}
