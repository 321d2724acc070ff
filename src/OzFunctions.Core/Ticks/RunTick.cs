using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Retention;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Settlement;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Ticks;

/// <summary>The periodic repair and clock step (T1 to T6). Any number of processes may tick at once; a repeated step changes nothing.</summary>
public sealed partial class RunTick(
    OzPorts ports, RunRecords records, DispatchIndex index, UnownedRuns unowned, RunEnding ending, ConcurrencyLocks locks, EventOutbox outbox, EventDeliveryLog deliveries, DeliveryLog webhooks, SignedBodies bodies, HostRegistry hosts, ScheduleTick schedules, RetentionTick retention, TickOptions options, ILogger<RunTick> logger)
{
    /// <summary>Younger markers belong to an intake or a claim that is under way.</summary>
    private static readonly TimeSpan SettledAfter = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan OrphanMarkerAfter = TimeSpan.FromDays(1);
    private static readonly TimeSpan DeadHostAfter = TimeSpan.FromDays(1);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromDays(1);

    private readonly HashSet<RunId> _named = [];
    private readonly HashSet<string> _staying = [];
    private readonly HostWatch _alone = new(ports.Time, options.Lease) { AtOnce = true };
    private long? _lastFullLook;
    private long? _lastSweep;

    /// <summary>A tick by itself: hosts are judged by their heartbeats alone.</summary>
    public Task TickAsync(CancellationToken cancellationToken) => TickAsync(_alone, cancellationToken);

    /// <summary>One of the ticks of a process that goes on ticking.</summary>
    /// <param name="watch">Of that process, the same each time.</param>
    /// <param name="cancellationToken">Ends the tick.</param>
    public async Task TickAsync(HostWatch watch, CancellationToken cancellationToken)
    {
        // T6 first: a schedule has a time to keep.
        await schedules.TickAsync(cancellationToken);
        var later = await MoveDueAsync(await ListLaterAsync(cancellationToken), cancellationToken);
        var active = await ListAsync(RunBlobs.ActivePrefix, cancellationToken);
        var ready = new HashSet<RunId>();
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.Prefix, cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry))
            {
                ready.Add(entry.RunId);
            }
        }

        var known = await hosts.ListAsync(cancellationToken);
        watch.NoteLook();

        // One that a host of its machine saw end runs nothing any more, whatever its last heartbeat says.
        var running = known.Where(host => host.Alive && !outbox.SawEnd(host.Heartbeat.HostId)).SelectMany(host => host.Heartbeat.Running).ToHashSet();

        var full = _lastFullLook is not { } last || ports.Time.GetElapsedTime(last) >= options.Lease;
        foreach (var marker in active)
        {
            if (marker.Age <= SettledAfter || !RunId.TryParse(marker.Name[RunBlobs.ActivePrefix.Length..], out var runId))
            {
                continue;
            }

            var indexed = ready.Contains(runId) || later.Contains(runId);
            if (!running.Contains(runId) && (!indexed || full) && outbox.MayOwe(runId, marker.ETag))
            {
                await LookSafelyAsync(runId, marker, indexed, watch, cancellationToken);
            }
        }

        if (full)
        {
            _lastFullLook = ports.Time.GetTimestamp();
        }

        await ForgetDeadHostsAsync(known, watch, cancellationToken);
        if (_lastSweep is not { } swept || ports.Time.GetElapsedTime(swept) >= SweepEvery)
        {
            await SweepSafelyAsync("An old entry of the log of events", () => deliveries.SweepAsync(cancellationToken));
            await SweepSafelyAsync("An old entry of the log of webhooks", () => webhooks.SweepAsync(ports.Time.GetUtcNow(), cancellationToken));
            await SweepSafelyAsync("The note of an old signed body", () => bodies.SweepAsync(cancellationToken));
            _lastSweep = ports.Time.GetTimestamp();
        }

        await retention.TickAsync(cancellationToken);
    }

    /// <summary>T1. Answers the runs whose entry still waits; -x entries do not count: they say nothing about who will look at the run.</summary>
    private async Task<HashSet<RunId>> MoveDueAsync(List<LaterEntry> entries, CancellationToken cancellationToken)
    {
        var now = ports.Time.GetUtcNow();
        foreach (var entry in entries.Where(entry => entry.Due <= now))
        {
            try
            {
                var run = await records.FindAsync(entry.RunId, cancellationToken);
                if (run is { Record.State: RunState.Queued })
                {
                    await (entry.Expires
                        ? unowned.TryEndAsync(run, RunReason.Expired, "It was not started by its expires_at.", cancellationToken)
                        : PutBackAsync(run.Record, cancellationToken));
                }

                await index.RemoveAsync(entry.Name, cancellationToken);
                ports.Probe.Passed(ProtocolStep.T1, entry.RunId);
            }
            catch (Exception ex) when (IsOfOneRun(ex))
            {
                Name(entry.RunId, ex);
            }
        }

        return [.. entries.Where(entry => entry.Due > now && !entry.Expires).Select(entry => entry.RunId)];
    }

    private async Task LookSafelyAsync(RunId runId, BlobEntry marker, bool indexed, HostWatch watch, CancellationToken cancellationToken)
    {
        try
        {
            await LookAsync(runId, marker, indexed, watch, cancellationToken);
            ports.Probe.Passed(ProtocolStep.T3, runId);
        }
        catch (Exception ex) when (IsOfOneRun(ex))
        {
            Name(runId, ex);
        }
    }

    /// <summary>T3 for one run.</summary>
    private async Task LookAsync(RunId runId, BlobEntry marker, bool indexed, HostWatch watch, CancellationToken cancellationToken)
    {
        var run = await records.FindAsync(runId, cancellationToken);
        switch (run)
        {
            case null:
                await ForgetOrphanAsync(runId, marker, cancellationToken);
                break;
            case { Record.State: RunState.Queued }:
                await LookQueuedAsync(run, indexed, cancellationToken);
                break;
            case { Record: var record } when record.State.IsTerminal():
                await index.RemoveAsync(record, cancellationToken);
                await locks.ReleaseAsync(record, cancellationToken);
                await outbox.PublishAsync(run, marker.ETag, cancellationToken);
                break;
            default:
                await LookOwnedAsync(run, marker, watch, cancellationToken);
                break;
        }
    }

    private async Task ForgetOrphanAsync(RunId runId, BlobEntry marker, CancellationToken cancellationToken)
    {
        if (marker.Age <= OrphanMarkerAfter || !await ports.Blobs.TryDeleteAsync(marker.Name, marker.ETag, cancellationToken))
        {
            return;
        }

        if (await records.FindAsync(runId, cancellationToken) is not null)
        {
            // An intake that was frozen for a day woke up in between.
            await ports.Blobs.PutAsync(marker.Name, ReadOnlyMemory<byte>.Empty, cancellationToken);
        }
    }

    private async Task LookQueuedAsync(StoredRun run, bool indexed, CancellationToken cancellationToken)
    {
        var record = run.Record;
        var now = ports.Time.GetUtcNow();
        var since = record.Request.NotBefore > record.CreatedAt ? record.Request.NotBefore.Value : record.CreatedAt;
        if (record.Cancel is { } cancel)
        {
            await unowned.TryEndAsync(run, RunReason.TaskCancelled, RunEnding.CancelMessage(cancel), cancellationToken);
        }
        else if (record.Request.ExpiresAt <= now)
        {
            await unowned.TryEndAsync(run, RunReason.Expired, "It was not started by its expires_at.", cancellationToken);
        }
        else if (now - since > options.QueueTtl)
        {
            await unowned.TryEndAsync(run, RunReason.Expired, $"It waited longer than limits.queue_ttl ({Requests.DurationText.Format(options.QueueTtl)}).", cancellationToken);
        }
        else if (!indexed)
        {
            await PutBackAsync(record, cancellationToken);
        }
    }

    /// <summary>T4: the record, then the owner's heartbeat, then one conditional write.</summary>
    private async Task LookOwnedAsync(StoredRun run, BlobEntry marker, HostWatch watch, CancellationToken cancellationToken)
    {
        var owner = run.Record.Owner!;
        // Asked again behind the look: this process may have slept in between, and the store may be back only now.
        if (!watch.MayJudge(owner.HostId) || !await hosts.IsDeadAsync(owner.HostId, cancellationToken) || !watch.MayJudge(owner.HostId))
        {
            return;
        }

        var started = run.Record.State == RunState.InProgress;
        var message = $"The host {owner.HostId} ({run.Record.CurrentAttempt?.Host ?? "unknown machine"}) was not heard of for longer than its lease.";
        var owed = await ending.OwedAsync(run.Record.WorkerId, cancellationToken);
        var lost = await WithLogAsync(run.Record, cancellationToken);
        if (await records.TryReplaceAsync(run, ending.Lose(run.Record, RunReason.HostLost, message, lost, owed), cancellationToken) is not { } written)
        {
            return;
        }

        Lost(run.Record.RunId, owner.HostId, started, written.Record.State);
        ports.Probe.Passed(ProtocolStep.T4, run.Record.RunId);
        if (written.Record.State.IsTerminal())
        {
            await unowned.FinishAsync(written, marker.ETag, cancellationToken);
        }
        else
        {
            await PutBackAsync(written.Record, cancellationToken);
        }
    }

    /// <summary>What stands of a lost attempt's log: not sealed, hashed over the bytes that are there.</summary>
    private async Task<AttemptRecord?> WithLogAsync(RunRecord record, CancellationToken cancellationToken)
    {
        if (record.CurrentAttempt is not { } attempt || await Logs.LogCount.CountAsync(ports.Blobs, RunBlobs.Log(record.RunId, record.Attempt), cancellationToken) is not { } log)
        {
            return null;
        }

        return attempt with { Log = log, State = RunState.Error, Reason = RunReason.HostLost, FinishedAt = ports.Time.GetWireTime() };
    }

    /// <summary>T5.</summary>
    private async Task ForgetDeadHostsAsync(IReadOnlyList<KnownHost> known, HostWatch watch, CancellationToken cancellationToken)
    {
        foreach (var host in known.Where(host => host.DeadFor > DeadHostAfter && watch.MayJudge(host.Heartbeat.HostId)))
        {
            await SweepSafelyAsync($"What is left of host {host.Heartbeat.HostId}", () => ForgetAsync(host, cancellationToken));
        }
    }

    private async Task ForgetAsync(KnownHost host, CancellationToken cancellationToken)
    {
        if (await ports.Blobs.TryDeleteAsync($"hosts/{host.Heartbeat.HostId}.json", host.ETag, cancellationToken))
        {
            await ports.Blobs.TryDeleteAsync($"signals/{host.Heartbeat.HostId}.json", match: null, cancellationToken);
            ports.HostLock.Forget(host.Heartbeat.HostId);
        }
    }

    /// <summary>What the store does not let go (a policy or a hold is on it) keeps nothing else from its sweep; it is told once. An outage ends the tick.</summary>
    private async Task SweepSafelyAsync(string what, Func<Task> sweep)
    {
        try
        {
            await sweep();
        }
        catch (BlobStoreException ex) when (!ex.IsTransient)
        {
            if (_staying.Add(what))
            {
                NotSwept(what, ex.Message);
            }
        }
    }

    private async Task<bool> PutBackAsync(RunRecord record, CancellationToken cancellationToken)
    {
        await unowned.PutBackAsync(record, cancellationToken);
        return true;
    }

    private async Task<List<BlobEntry>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        var entries = new List<BlobEntry>();
        await foreach (var entry in ports.Blobs.ListAllAsync(prefix, cancellationToken))
        {
            entries.Add(entry);
        }

        return entries;
    }

    private async Task<List<LaterEntry>> ListLaterAsync(CancellationToken cancellationToken)
    {
        var entries = new List<LaterEntry>();
        await foreach (var blob in ports.Blobs.ListAllAsync(LaterEntry.Prefix, cancellationToken))
        {
            if (LaterEntry.TryParse(blob.Name, out var entry))
            {
                entries.Add(entry);
            }
        }

        return entries;
    }

    /// <summary>A fault that a record's content brings about is that run's own: the others are looked at all the same. An outage ends the tick.</summary>
    private static bool IsOfOneRun(Exception exception) => exception is not (OperationCanceledException or BlobStoreException { IsTransient: true });

    private void Name(RunId runId, Exception exception)
    {
        if (_named.Add(runId))
        {
            Skipped(runId, exception.Message, exception is UnreadableRecordException ? null : exception);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{What} could not be removed, it is tried again and not told again: {Problem}")]
    private partial void NotSwept(string what, string problem);

    [LoggerMessage(LogLevel.Error, "Run {RunId} is skipped: {Problem}")]
    private partial void Skipped(RunId runId, string problem, Exception? exception);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} was lost with host {HostId} (started: {Started}); it is {State} now")]
    private partial void Lost(RunId runId, string hostId, bool started, RunState state);
}

/// <summary>What the tick needs of the configuration.</summary>
public sealed record TickOptions
{
    public TimeSpan Lease { get; init; } = TimeSpan.FromMinutes(10);

    public TimeSpan QueueTtl { get; init; } = TimeSpan.FromDays(7);
}
