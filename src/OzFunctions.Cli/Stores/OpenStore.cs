using OzFunctions.Files;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Stores;

/// <summary>Core over the store that this call works on.</summary>
internal sealed class OpenStore(OzCore core, IRequestQueue requests, FilesStore files) : IAsyncDisposable
{
    public OzCore Core { get; } = core;

    /// <summary><c>oz-requests</c>.</summary>
    public IRequestQueue Requests { get; } = requests;

    /// <summary>
    /// After a start of the machine, markers that were not synced may be missing: each run that owes something gets its marker again, and the tick
    /// puts back the rest. For hosts; does nothing when the machine was not started anew.
    /// </summary>
    public async Task RepairAsync(CancellationToken cancellationToken)
    {
        if (!files.BootChanged)
        {
            return;
        }

        string? continuation = null;
        do
        {
            var page = await Core.Records.ListAsync(continuation, 500, unreadable: null, cancellationToken);
            foreach (var run in page.Runs)
            {
                if (!run.State.IsTerminal() || await OwesAsync(run.RunId, cancellationToken))
                {
                    await Core.Ports.Blobs.PutAsync(RunBlobs.Active(run.RunId), ReadOnlyMemory<byte>.Empty, cancellationToken);
                }
            }

            continuation = page.Continuation;
        }
        while (continuation is not null);

        files.NoteBoot();
    }

    public ValueTask DisposeAsync()
    {
        files.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<bool> OwesAsync(RunId runId, CancellationToken cancellationToken)
    {
        try
        {
            return await Core.Records.FindAsync(runId, cancellationToken) is { Record.Outbox.Count: > 0 };
        }
        catch (UnreadableRecordException)
        {
            // The tick names it.
            return false;
        }
    }
}
