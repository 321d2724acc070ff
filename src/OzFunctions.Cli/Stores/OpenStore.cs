using OzFunctions.Queues;

namespace OzFunctions.Cli.Stores;

/// <summary>Core over the store that this call works on.</summary>
internal sealed class OpenStore(OzCore core, IRequestQueue requests, IDisposable? owned = null) : IAsyncDisposable
{
    public OzCore Core { get; } = core;

    /// <summary><c>oz-requests</c>.</summary>
    public IRequestQueue Requests { get; } = requests;

    public ValueTask DisposeAsync()
    {
        owned?.Dispose();
        return ValueTask.CompletedTask;
    }
}
