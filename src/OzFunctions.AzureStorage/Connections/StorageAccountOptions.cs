using Azure.Core;
using Azure.Core.Pipeline;

namespace OzFunctions.AzureStorage;

/// <summary>Who named the account, how long a call may take, and what tests put in between.</summary>
public sealed record StorageAccountOptions
{
    /// <summary>The setting that named the account, for messages about a refusal. Default: <c>the storage setting</c>.</summary>
    public string Setting { get; init; } = "the storage setting";

    /// <summary>Tries of one call after the first. Default: 4, some 3 seconds of pauses.</summary>
    public int Retries { get; init; } = 4;

    /// <summary>First pause between tries; it doubles, with jitter. Default: 200 ms.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Of one try of a call that moves little. Default: 10 seconds.</summary>
    public TimeSpan TryTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Of a call that moves little, all tries and pauses together; below the 30 seconds between heartbeats. Default: 25 seconds.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Of one block of an upload or a download, all tries and pauses together; more for what a slow line takes longer for. Default: 3 minutes.</summary>
    public TimeSpan BlockTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Signs where the setting is an address; null: the identity of this process.</summary>
    internal TokenCredential? Identity { get; init; }

    /// <summary>Seen by every try on its way out and back; null: nothing in between.</summary>
    internal HttpPipelinePolicy? Between { get; init; }
}
