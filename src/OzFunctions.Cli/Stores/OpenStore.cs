using OzFunctions.Queues;

namespace OzFunctions.Cli.Stores;

/// <summary>Core over the store that this call works on, whichever that is.</summary>
internal sealed class OpenStore(OzCore core, IRequestQueue requests) : IAsyncDisposable
{
    public OzCore Core { get; } = core;

    /// <summary><c>oz-requests</c>.</summary>
    public IRequestQueue Requests { get; } = requests;

    /// <summary>What people call it: a directory or an address, without a secret.</summary>
    public required string Name { get; init; }

    /// <summary>Every write goes over a network and is paid for.</summary>
    public bool IsRemote { get; init; }

    /// <summary>What a host does before it claims.</summary>
    public Func<CancellationToken, Task> Repair { get; init; } = _ => Task.CompletedTask;

    /// <summary>What is closed with it.</summary>
    public IDisposable? Opened { get; init; }

    /// <summary>For hosts: what the store may have lost of markers and indexes is made again.</summary>
    public Task RepairAsync(CancellationToken cancellationToken) => Repair(cancellationToken);

    public ValueTask DisposeAsync()
    {
        Opened?.Dispose();
        return ValueTask.CompletedTask;
    }
}
