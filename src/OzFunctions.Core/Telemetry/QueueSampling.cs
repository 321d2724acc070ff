using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;

namespace OzFunctions.Telemetry;

/// <summary>Counts what waits, from the indexes alone.</summary>
internal static class QueueSampling
{
    public static async Task<QueueSample> TakeAsync(OzPorts ports, string workerId, CancellationToken cancellationToken)
    {
        long depth = 0, dead = 0;
        DateTimeOffset? oldest = null;
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.PrefixOf(workerId), cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry))
            {
                depth++;

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
        return new() { Depth = depth, OldestAge = age > TimeSpan.Zero ? age : TimeSpan.Zero, DeadLetters = dead };
    }
}
