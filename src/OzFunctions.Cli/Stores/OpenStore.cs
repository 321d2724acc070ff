using OzFunctions.Queues;

namespace OzFunctions.Cli.Stores;

/// <summary>Core over the store that this call works on, whichever that is.</summary>
/// <param name="repair">Once for each host, before it claims.</param>
/// <param name="opened">What is closed with it.</param>
internal sealed class OpenStore(OzCore core, IRequestQueue requests, Func<CancellationToken, Task> repair, IDisposable opened) : IAsyncDisposable
{
    public OzCore Core { get; } = core;

    /// <summary><c>oz-requests</c>.</summary>
    public IRequestQueue Requests { get; } = requests;

    /// <summary>For hosts: what the store may have lost of markers and indexes is made again.</summary>
    public Task RepairAsync(CancellationToken cancellationToken) => repair(cancellationToken);

    public ValueTask DisposeAsync()
    {
        opened.Dispose();
        return ValueTask.CompletedTask;
    }
}
