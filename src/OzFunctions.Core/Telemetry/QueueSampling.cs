using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Telemetry;

/// <summary>Counts what waits, from the indexes alone.</summary>
internal static class QueueSampling
{
    /// <summary>The figures, and the runs that are ready.</summary>
    public static async Task<(QueueSample Sample, IReadOnlyList<RunId> Ready)> TakeAsync(OzPorts ports, string workerId, CancellationToken cancellationToken)
    {
        long dead = 0;
        var ready = new List<RunId>();
        DateTimeOffset? oldest = null;
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.PrefixOf(workerId), cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry))
            {
                ready.Add(entry.RunId);

                // Its name sorts by priority too; the id knows when the run was made.
                var made = DateTimeOffset.FromUnixTimeMilliseconds(entry.RunId.Milliseconds);
                oldest = oldest < made ? oldest : made;
            }
        }

        await foreach (var _ in ports.Blobs.ListAllAsync(DeadLetters.DeadLetterStore.Prefix, cancellationToken))
        {
            dead++;
        }

        var age = ports.Time.GetUtcNow() - oldest ?? TimeSpan.Zero;
        return (new() { Depth = ready.Count, OldestAge = age > TimeSpan.Zero ? age : TimeSpan.Zero, DeadLetters = dead }, ready);
    }
}
