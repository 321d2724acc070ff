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

    /// <summary>What a host does before it claims; told is what it has to do without for now.</summary>
    public Func<Action<string>, CancellationToken, Task> Repair { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>What is closed with it.</summary>
    public IDisposable? Opened { get; init; }

    /// <summary>For hosts: what the store may have lost of markers and indexes is made again; a remote store is asked whether it takes calls.</summary>
    /// <param name="warn">Gets a sentence for what does not answer and is not needed for the start.</param>
    public Task RepairAsync(Action<string> warn, CancellationToken cancellationToken) => Repair(warn, cancellationToken);

    /// <summary>What is still being sent goes back to whoever sends it next, and with it the locks that say that it is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        await Core.Outbox.StopAsync(TimeSpan.Zero);
        Opened?.Dispose();
    }
}
