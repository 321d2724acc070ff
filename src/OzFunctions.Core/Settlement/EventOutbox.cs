using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>S10 and S11: sends the stored completion event to each publisher that is owed one; then the marker goes, and that is the "published" mark.</summary>
public sealed partial class EventOutbox(OzPorts ports, RunRecords records, ILogger<EventOutbox> logger)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromHours(1);

    private readonly Dictionary<string, IEventPublisher> _publishers = ports.Publishers.ToDictionary(publisher => publisher.Name, StringComparer.Ordinal);

    /// <summary>Publishes what is due. True: nothing is owed any more.</summary>
    public async Task<bool> PublishAsync(StoredRun run, CancellationToken cancellationToken)
    {
        var marker = await ports.Blobs.FindEntryAsync(RunBlobs.Active(run.Record.RunId), cancellationToken);
        if (marker is null)
        {
            return true;
        }

        var owed = await PublishDueAsync(run.Record, cancellationToken);
        ports.Probe.Passed(ProtocolStep.S10, run.Record.RunId);
        if (owed.Count > 0)
        {
            await records.UpdateAsync(
                run.Record.RunId,
                run,
                record => record.Outbox is { } outbox && outbox.SequenceEqual(owed) ? RecordDecision.Done : RecordDecision.Write(record with { Outbox = owed }),
                cancellationToken);
            return false;
        }

        // Refused: somebody wrote the marker again meanwhile (a repeated intake); the tick looks once more.
        var done = await ports.Blobs.TryDeleteAsync(RunBlobs.Active(run.Record.RunId), marker.ETag, cancellationToken);
        ports.Probe.Passed(ProtocolStep.S11, run.Record.RunId);
        return done;
    }

    private async Task<List<OutboxEntry>> PublishDueAsync(RunRecord record, CancellationToken cancellationToken)
    {
        var owed = new List<OutboxEntry>();
        var now = ports.Time.GetUtcNow();
        var stored = RunEvents.FindStored(record);
        foreach (var entry in record.Outbox ?? [])
        {
            if (stored is null)
            {
                NoEvent(record.RunId);
                continue;
            }

            if (entry.NextAt > now || !_publishers.TryGetValue(entry.Publisher, out var publisher))
            {
                owed.Add(entry);
                continue;
            }

            try
            {
                await publisher.PublishAsync(stored, cancellationToken);
            }
            catch (Exception ex) when (ex is not OperationCanceledException)
            {
                // A publisher is foreign ground: whatever it throws, the others get their event and this one is tried again.
                var tries = entry.Tries + 1;
                var delay = TimeSpan.FromTicks(Math.Min(LongestDelay.Ticks, FirstDelay.Ticks << Math.Min(tries - 1, 10)));
                PublishFailed(record.RunId, entry.Publisher, delay, ex);
                owed.Add(entry with { Tries = tries, NextAt = DateTimeOffset.FromUnixTimeMilliseconds((now + delay).ToUnixTimeMilliseconds()) });
            }
        }

        return owed;
    }

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} could not be sent to {Publisher}; next try in {Delay}")]
    private partial void PublishFailed(RunId runId, string publisher, TimeSpan delay, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} is terminal and its record holds no event; nothing was sent")]
    private partial void NoEvent(RunId runId);
}
