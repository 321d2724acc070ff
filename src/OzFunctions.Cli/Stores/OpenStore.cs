using OzFunctions.Files;
using OzFunctions.Queues;

namespace OzFunctions.Cli.Stores;

/// <summary>Core over the store that this call works on.</summary>
internal sealed class OpenStore(OzCore core, IRequestQueue requests, FilesStore files) : IAsyncDisposable
{
    public OzCore Core { get; } = core;

    /// <summary><c>oz-requests</c>.</summary>
    public IRequestQueue Requests { get; } = requests;

    /// <summary>For hosts: what a power cut may have taken of markers and indexes is made again, once after each start of the machine.</summary>
    public async Task RepairAsync(CancellationToken cancellationToken)
    {
        if (files.BootChanged)
        {
            await Core.Repair.RepairAsync(cancellationToken);
            files.NoteBoot();
        }
    }

    public ValueTask DisposeAsync()
    {
        files.Dispose();
        return ValueTask.CompletedTask;
    }
}
