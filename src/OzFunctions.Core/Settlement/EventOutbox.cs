using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Settlement;

/// <summary>
/// S10 and S11: sends the stored completion event to each publisher that is owed one; then the marker goes, and that is the "published" mark. Queues are sent to at
/// once, unless one hung a moment ago; foreign ground is left to the hosts' lanes, so that a slow receiver holds up no other.
/// </summary>
public sealed partial class EventOutbox : IAsyncDisposable
{
    /// <summary>A process that ends waits this long for receivers and commands; what they are still owed, another host or a tick sends.</summary>
    public static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(20);

    /// <summary>A queue that takes longer than this is as good as away.</summary>
    private static readonly TimeSpan PromptWithin = TimeSpan.FromSeconds(15);

    /// <summary>A publisher that no host has any more is waited for this long: an upgrade, a configuration that is put right.</summary>
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromDays(1);

    /// <summary>How long a lane's try is kept from other hosts: longer than any try may take.</summary>
    private static readonly TimeSpan Reserved = TimeSpan.FromMinutes(10);

    /// <summary>Two hosts that reserve in the same millisecond do not write the same: each would take the other's for its own.</summary>
    private static readonly TimeSpan ReservedApart = TimeSpan.FromMinutes(1);

    /// <summary>A later time is no reservation.</summary>
    internal static readonly TimeSpan ReservedAtMost = Reserved + ReservedApart;

    /// <summary>A host that stops waits this long for the store to take back what it reserved.</summary>
    private static readonly TimeSpan GivenBackWithin = TimeSpan.FromSeconds(1);

    /// <summary>What is due later than this is left to the ticks, which every host has.</summary>
    private static readonly TimeSpan OwnRetryWithin = TimeSpan.FromMinutes(10);

    /// <summary>A host that was looked for is not looked for again at once: it may have left many.</summary>
    private static readonly TimeSpan LookedFor = TimeSpan.FromSeconds(10);

    private const int MostLooked = 1000;

    /// <summary>The store's own queue, which is the same one whoever's configuration it is in.</summary>
    private const string StoreQueue = "oz-events";

    private readonly OzPorts _ports;
    private readonly RunRecords _records;
    private readonly OwedPublishers _owed;
    private readonly EventDeliveryLog _log;
    private readonly HostRegistry _hosts;
    private readonly OzMetrics _metrics;
    private readonly ILogger _logger;
    private readonly Dictionary<string, IEventPublisher> _publishers;
    private readonly Dictionary<string, EventLane> _lanes;
    private readonly CancellationTokenSource _stop = new();
    private readonly PutOffPublishers _putOff;
    private readonly ConcurrentDictionary<Task, bool> _beside = new();
    private readonly OwedWaits _waits;
    private readonly Dictionary<string, HeldName> _held = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long At, bool Gone)> _looked = new(StringComparer.Ordinal);
    private volatile bool _leftReserved;
    private volatile LivingHost? _host;
    private Task? _running;

    public EventOutbox(OzPorts ports, RunRecords records, OwedPublishers owed, EventDeliveryLog log, HostRegistry hosts, OzMetrics metrics, ILogger<EventOutbox> logger)
    {
        (_ports, _records, _owed, _log, _hosts, _metrics, _logger) = (ports, records, owed, log, hosts, metrics, logger);
        _putOff = new(ports.Time);
        _waits = new(ports.Time, _putOff);
        _publishers = ports.Publishers.ToDictionary(publisher => publisher.Name, StringComparer.Ordinal);
        _lanes = ports.Publishers.Where(publisher => publisher is { IsPrompt: false, IsElsewhere: false }).ToDictionary(
            publisher => publisher.Name, publisher => new EventLane(publisher, ports.Time, DeliverAsync, _stop.Token), StringComparer.Ordinal);
    }

    /// <summary>A long-lived process: from now on it sends to foreign ground. Worker hosts call it themselves; so does who ticks without one.</summary>
    /// <param name="hostId">The id of the host that lives here, by which others find it alive now; null, or an answer of null: there is none.</param>
    /// <param name="locks">By which hosts of one <c>workspace_root</c> see each other's end; null: only the lease tells.</param>
    public void Start(Func<string?>? hostId = null, IHostLock? locks = null)
    {
        _host = new(hostId, locks);
        _running ??= Task.WhenAll(_lanes.Values.Select(lane => Task.Run(() => lane.RunAsync())));
    }

    /// <summary>Gives deliveries that are under way or due up to <paramref name="grace"/>, then stops. What is still owed stands in the records.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        if (_running is null)
        {
            return;
        }

        await DrainAsync(grace, CancellationToken.None);
        await _stop.CancelAsync();
        await Task.WhenAll(_beside.Keys);
        await _running;
        ReleaseLocks();
    }

    /// <summary>Waits up to <paramref name="grace"/>, or until the token ends it, for deliveries that are under way or due. It goes on taking more.</summary>
    public async Task DrainAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(grace, _ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        await Task.WhenAll(_beside.Keys).WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_running is not null)
        {
            await Task.WhenAll(_lanes.Values.Select(lane => lane.WhenIdleAsync(either.Token))).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero);
        _stop.Dispose();
        foreach (var lane in _lanes.Values)
        {
            lane.Dispose();
        }
    }

    /// <summary>The publisher of this name that this process has for runs of the worker. Null: it has none, or its own of that name is another worker's.</summary>
    public IEventPublisher? FindOwn(string workerId, string publisher) =>
        _publishers.TryGetValue(publisher, out var own) && (own is { Name: StoreQueue, IsPrompt: true } || _owed.AreOf(workerId)) ? own : null;

    /// <summary>The lane of a publisher on foreign ground while a host lives here.</summary>
    internal EventLane? FindLane(string publisher) => _running is null ? null : _lanes.GetValueOrDefault(publisher);

    /// <summary>False: nothing that this run owes can be sent yet, as far as this process remembers. Saves a tick the reading.</summary>
    internal bool MayOwe(RunId runId, ETag marker) => _waits.AreOver(runId, marker);

    /// <summary>True: a host of this <c>workspace_root</c> sent to foreign ground, and its process is gone.</summary>
    internal bool SawEnd(string hostId) => _host?.Locks?.Find(hostId) is { Held: false };

    /// <summary>True: something is being sent that is reserved under this id, or is about to be. Asked by a host that has given up its name: it becomes no more.</summary>
    internal bool IsSendingAs(string hostId)
    {
        lock (_held)
        {
            return _held.TryGetValue(hostId, out var held) && held.Sending > 0;
        }
    }

    /// <summary>True: this process waited for it in vain a moment ago, and does not try again so soon.</summary>
    internal bool IsPutOff(string publisher) => _putOff.Contains(publisher);

    /// <summary>Publishes what is due beside the caller's work: a queue that hangs keeps no slot from the next run. Waited for by <see cref="StopAsync"/>.</summary>
    public void PublishBeside(RunId runId, Func<CancellationToken, Task> publish)
    {
        var task = Task.Run(() => TryPublishAsync(runId, publish), CancellationToken.None);
        _beside[task] = true;
        _ = task.ContinueWith(ended => _beside.TryRemove(ended, out _), TaskScheduler.Default);
    }

    /// <summary>
    /// The marker of what a run owes, to be read before its record (S11): whoever owes its event to somebody again writes the marker first, so that one which is deleted as it
    /// was read here stands for nothing that the record read later does not say. Null: nothing is owed.
    /// </summary>
    public async Task<ETag?> FindMarkerAsync(RunId runId, CancellationToken cancellationToken) =>
        (await _ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken))?.ETag;

    /// <summary>Publishes what is due of a run as it stands. True: nothing is owed any more.</summary>
    public async Task<bool> PublishAsync(RunId runId, CancellationToken cancellationToken)
    {
        var marker = await FindMarkerAsync(runId, cancellationToken);
        return marker is null || await _records.FindAsync(runId, cancellationToken) is not { } run || await PublishAsync(run, marker, cancellationToken);
    }

    /// <summary>Publishes what is due. True: nothing is owed any more.</summary>
    /// <param name="run">Read or written after <paramref name="marker"/> was read.</param>
    /// <param name="marker">By <see cref="FindMarkerAsync"/>, or from a listing.</param>
    public async Task<bool> PublishAsync(StoredRun run, ETag? marker, CancellationToken cancellationToken)
    {
        if (marker is not { } read)
        {
            return true;
        }

        var runId = run.Record.RunId;
        var owed = run.Record.Outbox ?? [];
        var results = (await Task.WhenAll(owed.Select(entry => SendPromptAsync(run.Record, entry, cancellationToken)))).OfType<SendResult>().ToList();
        _ports.Probe.Passed(ProtocolStep.S10, runId);
        if (results.Count(result => result.Next is null) < owed.Count)
        {
            var update = await _records.UpdateAsync(runId, run, record => Decide(record, results), cancellationToken);
            if (update.Run is not { Record.Outbox: { Count: > 0 } still })
            {
                return await SettleAsync(runId, read, results, cancellationToken);
            }

            List<OutboxEntry> ofLanes = [.. still.Where(entry => FindOwn(run.Record.WorkerId, entry.Publisher) is not null && FindLane(entry.Publisher) is not null)];
            _waits.Remember(runId, read, still, ofLanes);

            // A lane has room for so many, and after an outage of its receiver all may have retries hours ahead: the tick comes back to those when they are due.
            var soon = _ports.Time.GetUtcNow() + OwnRetryWithin;
            foreach (var entry in ofLanes)
            {
                var due = entry.NextAt is { } next && !await IsLeftAsync(entry, cancellationToken) ? next : DateTimeOffset.MinValue;
                if (due <= soon)
                {
                    FindLane(entry.Publisher)!.Offer(runId, due);
                }
            }

            return false;
        }

        return await SettleAsync(runId, read, results, cancellationToken);
    }

    private async Task TryPublishAsync(RunId runId, Func<CancellationToken, Task> publish)
    {
        try
        {
            await publish(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception ex)
        {
            // Nobody is there to hear of it. The record carries all that is owed; a tick sends it (T3).
            NotPublished(runId, ex);
        }
    }

    /// <summary>
    /// Owes an ended run's event again. It is durable when this answers: the marker first, then the record, so that a tick finds both or neither; then the marker again. Null: the run has
    /// not ended, is gone, or has no event; then nothing is left of it.
    /// </summary>
    public async Task<StoredRun?> OweAgainAsync(RunId runId, IReadOnlyList<string> publishers, CancellationToken cancellationToken)
    {
        if (await _records.FindAsync(runId, cancellationToken) is not { Record: { Event: not null } found } run || !found.State.IsTerminal())
        {
            return null;
        }

        // Looked for after the record was read: without a marker all was sent that stands in this version, and in this one only. A later one is of somebody who owes the event again, as we do.
        var owed = await _ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken) is not null;
        await _ports.Blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        var update = await _records.UpdateAsync(
            runId,
            run,
            record =>
            {
                var isPast = !owed && ReferenceEquals(record, found);
                OutboxEntry[] next = [.. (record.Outbox ?? []).Where(entry => !isPast && !publishers.Contains(entry.Publisher)), .. publishers.Select(name => new OutboxEntry(name, 0))];

                // Also where the record says so already: who read that version, and no marker, must find another one.
                return RecordDecision.Write(record with { Outbox = next });
            },
            cancellationToken);
        if (!update.IsDone)
        {
            return null;
        }

        // Who read the first one before this record was written takes it away for what the record said then: not this one.
        await _ports.Blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        return update.Run;
    }

    /// <summary>One try at a publisher that is owed this run's event, now and here, and what came of it.</summary>
    public async Task<PublisherDelivery> TryDeliverAsync(RunId runId, string publisher, CancellationToken cancellationToken)
    {
        var marker = await FindMarkerAsync(runId, cancellationToken);
        var run = await _records.FindAsync(runId, cancellationToken) ?? throw new InvalidOperationException($"There is no run {runId}.");
        var entry = run.Record.Outbox?.FirstOrDefault(entry => entry.Publisher == publisher) ?? new(publisher, 0);
        var stored = RunEvents.FindStored(run.Record) ?? throw new InvalidOperationException($"Run {runId} has no event.");
        return await DeliverAsync(_publishers[publisher], run, stored, entry, marker, cancellationToken);
    }

    /// <summary>A lane's turn: reads what is owed, sends, writes what came of it.</summary>
    private async Task<DateTimeOffset?> DeliverAsync(IEventPublisher publisher, RunId runId, CancellationToken stop)
    {
        OutboxEntry? entry = null;
        HeldName? name = null;
        var until = Later(Reserved + ReservedApart * Random.Shared.NextDouble());
        try
        {
            if (await FindMarkerAsync(runId, stop) is not { } marker)
            {
                return null;
            }

            var run = await _records.FindAsync(runId, stop);
            var left = run?.Record.Outbox?.FirstOrDefault(there => there.Publisher == publisher.Name) is { } found && await IsLeftAsync(found, stop) ? found.HostId : null;
            name = HoldHost();

            // Every host's tick offers it: one of them writes this first, and the others find it not due, as they find what was put off.
            var reserved = await _records.UpdateAsync(
                runId,
                run,
                record =>
                {
                    var there = record.Outbox?.FirstOrDefault(there => there.Publisher == publisher.Name);
                    if (there is null || there.NextAt == until)
                    {
                        return there is null ? RecordDecision.Refuse : RecordDecision.Done;
                    }

                    entry = there.HostId is null ? there : there with { NextAt = null, HostId = null };
                    return there.NextAt > _ports.Time.GetUtcNow() && (left is null || there.HostId != left)
                        ? RecordDecision.Refuse
                        : RecordDecision.Write(WithEntry(record, there with { NextAt = until, HostId = name?.HostId }));
                },
                stop);
            if (!reserved.IsDone || entry is null || RunEvents.FindStored(reserved.Run!.Record) is not { } stored)
            {
                return null;
            }

            var delivery = await DeliverAsync(publisher, reserved.Run, stored, entry, marker, stop);
            return delivery.NextAt <= Later(OwnRetryWithin) ? delivery.NextAt : null;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            if (entry is not null)
            {
                await GiveBackAsync(runId, entry, until);
            }

            return null;
        }
        catch (Exception ex)
        {
            // A store that is away, or a record that nobody can read: it stays owed, and a tick offers it again.
            NotNoted(runId, publisher.Name, ex);
            return null;
        }
        finally
        {
            LetGo(name);
        }
    }

    /// <summary>A host that stops in the middle of a try leaves it to the others as it found it: they need not wait until it is theirs by time.</summary>
    private async Task GiveBackAsync(RunId runId, OutboxEntry entry, DateTimeOffset until)
    {
        using var deadline = new CancellationTokenSource(GivenBackWithin, _ports.Time);
        try
        {
            await _records.UpdateAsync(
                runId, null, record => record.Outbox?.Any(there => there.Publisher == entry.Publisher && there.NextAt == until) == true ? RecordDecision.Write(WithEntry(record, entry)) : RecordDecision.Refuse, deadline.Token);
        }
        catch (Exception ex) when (ex is BlobStoreException or UnreadableRecordException or OperationCanceledException)
        {
            // It is due again when its time is over, or when somebody sees that this host is gone.
            _leftReserved = true;
        }
    }

    /// <summary>
    /// True: the entry is kept for a host that is known to be gone, so that nobody is at it. One that was only not heard of for a while may be sending: it keeps the entry
    /// as long as it keeps its runs.
    /// </summary>
    private async Task<bool> IsLeftAsync(OutboxEntry entry, CancellationToken cancellationToken)
    {
        if (entry.HostId is not { } hostId || !(entry.NextAt > _ports.Time.GetUtcNow()))
        {
            return false;
        }

        if (_host?.Locks?.Find(hostId) is { } seen)
        {
            return !seen.Held;
        }

        if (_looked.TryGetValue(hostId, out var looked) && _ports.Time.GetElapsedTime(looked.At) < LookedFor)
        {
            return looked.Gone;
        }

        var gone = await _hosts.IsDeadAsync(hostId, cancellationToken);
        if (_looked.Count >= MostLooked)
        {
            _looked.Clear();
        }

        _looked[hostId] = (_ports.Time.GetTimestamp(), gone);
        return gone;
    }

    /// <summary>The name under which this process reserves, its lock held from before the first reservation; null: no host lives here that others would find alive.</summary>
    private HeldName? HoldHost()
    {
        lock (_held)
        {
            // Under the lock, as what a host asks that has given up its name: it is counted there, or not taken here.
            if (_host is not { } host || host.Id?.Invoke() is not { } hostId)
            {
                return null;
            }

            if (!_held.TryGetValue(hostId, out var name))
            {
                // An id that this process had before stays held too: what it sends under it may still be under way.
                _held[hostId] = name = new(hostId, host.Locks, TryHold(host.Locks, hostId));
            }

            name.Sending++;
            return name;
        }
    }

    private static IHeldHostLock? TryHold(IHostLock? locks, string hostId)
    {
        try
        {
            return locks?.Hold(hostId);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // Without it the others wait for this host's lease.
            return null;
        }
    }

    private void LetGo(HeldName? name)
    {
        if (name is not null)
        {
            lock (_held)
            {
                name.Sending--;
            }
        }
    }

    private void ReleaseLocks()
    {
        lock (_held)
        {
            foreach (var name in _held.Values)
            {
                name.Lock?.Dispose();
                if (!_leftReserved)
                {
                    name.Locks?.Forget(name.HostId);
                }
            }

            _held.Clear();
        }
    }

    /// <param name="marker">Read before <paramref name="run"/>.</param>
    private async Task<PublisherDelivery> DeliverAsync(IEventPublisher publisher, StoredRun run, RunEvent stored, OutboxEntry entry, ETag? marker, CancellationToken cancellationToken)
    {
        var runId = run.Record.RunId;
        var failure = await TrySendAsync(publisher, stored, cancellationToken);
        var delivery = Result(publisher, entry, failure);
        if (failure is not null)
        {
            PublishFailed(runId, publisher.Name, delivery.NextAt is { } again ? $"next try at {Json.TimeText.Format(again)}" : "it is not tried again by itself (ozf events redeliver)", failure);
        }

        // The log first: who sees that nothing is owed any more finds what became of it.
        await _log.NoteAsync(stored, delivery, cancellationToken);
        var tried = run.Record.Outbox?.FirstOrDefault(there => there.Publisher == publisher.Name) ?? entry;
        var next = delivery.NextAt is null ? null : entry with { Tries = delivery.Tries, NextAt = delivery.NextAt, HostId = null };
        var result = new SendResult(publisher.Name, next, failure is null ? null : tried);
        var last = false;
        await _records.UpdateAsync(
            runId,
            run,
            record =>
            {
                // The last one: the marker is all that is to be written.
                last = result.Next is null && (record.Outbox ?? []).All(owed => owed.Publisher == publisher.Name);
                return last ? RecordDecision.Done : Decide(record, [result]);
            },
            cancellationToken);
        if (last && marker is { } read)
        {
            await SettleAsync(runId, read, [result], cancellationToken);
        }

        return delivery;
    }

    private PublisherDelivery Result(IEventPublisher publisher, OutboxEntry entry, Exception? failure)
    {
        var now = Later(TimeSpan.Zero);
        var said = failure as EventDeliveryException;
        var tries = entry.Tries + 1;
        var delay = failure is null || said?.IsFinal == true ? null : publisher.Retries.FindDelay(tries);
        if (delay is not null && said?.RetryAfter is { } asked && asked > delay)
        {
            delay = asked < RetryPlan.Longest ? asked : RetryPlan.Longest;
        }

        return new()
        {
            Publisher = publisher.Name,
            State = failure is null ? EventDeliveryState.Delivered : delay is null ? EventDeliveryState.Failed : EventDeliveryState.Retrying,
            Tries = tries,
            At = now,
            Status = said?.Status,
            Message = failure?.Message,
            NextAt = delay is null ? null : Later(delay.Value),
        };
    }

    private async Task<Exception?> TrySendAsync(IEventPublisher publisher, RunEvent stored, CancellationToken cancellationToken)
    {
        using var span = OzTelemetry.Start(OzTelemetry.PublishSpan, System.Diagnostics.ActivityKind.Producer, stored.Traceparent);
        span?.SetTag("ozf.run_id", stored.RunId.Value).SetTag("ozf.publisher", publisher.Name);
        try
        {
            await publisher.PublishAsync(stored, cancellationToken);
            _metrics.Published(sent: true);
            return null;
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
        {
            // A publisher is foreign ground: whatever it throws, the others get their event and this one is tried again.
            _metrics.Published(sent: false);
            span?.SetStatus(System.Diagnostics.ActivityStatusCode.Error);
            return ex;
        }
    }

    /// <summary>What becomes of one entry here and now; null: nothing, it is another's or not due. A lane may be at it.</summary>
    private async Task<SendResult?> SendPromptAsync(RunRecord record, OutboxEntry entry, CancellationToken cancellationToken)
    {
        if (RunEvents.FindStored(record) is not { } stored)
        {
            NoEvent(record.RunId);
            return new(entry.Publisher, null, null);
        }

        if (FindOwn(record.WorkerId, entry.Publisher) is not { } publisher)
        {
            return await IsForgottenAsync(record, stored, entry, cancellationToken) ? new(entry.Publisher, null, entry) : null;
        }

        if (entry.NextAt > _ports.Time.GetUtcNow() || publisher is { IsPrompt: false } or { IsElsewhere: true } || _putOff.Contains(entry.Publisher))
        {
            return null;
        }

        using var deadline = new CancellationTokenSource(PromptWithin, _ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var began = _ports.Time.GetTimestamp();
        Exception? failure;
        try
        {
            failure = await TrySendAsync(publisher, stored, either.Token);
        }
        catch (OperationCanceledException ex) when (!cancellationToken.IsCancellationRequested)
        {
            failure = ex;
        }

        _putOff.Note(entry.Publisher, began, sent: failure is null);
        if (failure is null)
        {
            return new(entry.Publisher, null, null);
        }

        var delay = publisher.Retries.FindDelay(entry.Tries + 1) ?? RetryPlan.Longest;
        PublishFailed(record.RunId, entry.Publisher, $"next try in {Requests.DurationText.Format(delay)}", failure);
        return new(entry.Publisher, entry with { Tries = entry.Tries + 1, NextAt = Later(delay), HostId = null }, entry);
    }

    /// <summary>A publisher that is in nobody's configuration any more must not keep the marker for ever.</summary>
    private async Task<bool> IsForgottenAsync(RunRecord record, RunEvent stored, OutboxEntry entry, CancellationToken cancellationToken)
    {
        var since = entry.NextAt > record.FinishedAt ? entry.NextAt : record.FinishedAt ?? record.UpdatedAt;
        if (_ports.Time.GetUtcNow() - since < ForgottenAfter || await _owed.IsKnownAsync(record.WorkerId, entry.Publisher, cancellationToken))
        {
            return false;
        }

        Forgotten(record.RunId, entry.Publisher);
        var delivery = new PublisherDelivery
        {
            Publisher = entry.Publisher,
            State = EventDeliveryState.Failed,
            Tries = entry.Tries,
            At = Later(TimeSpan.Zero),
            Message = $"No host of worker '{record.WorkerId}' has a publisher of this name any more.",
        };
        await _log.NoteAsync(stored, delivery, cancellationToken);
        return true;
    }

    private static RecordDecision Decide(RunRecord record, IReadOnlyList<SendResult> results)
    {
        OutboxEntry[] next = [.. (record.Outbox ?? []).Select(entry => results.FirstOrDefault(result => result.IsOf(entry)) is { } result ? result.Next : entry).OfType<OutboxEntry>()];
        return record.Outbox is null || record.Outbox.SequenceEqual(next) ? RecordDecision.Done : RecordDecision.Write(record with { Outbox = next });
    }

    /// <param name="results">The last ones, which the record need not say when the marker goes.</param>
    private async Task<bool> SettleAsync(RunId runId, ETag marker, IReadOnlyList<SendResult> results, CancellationToken cancellationToken)
    {
        var done = await _ports.Blobs.TryDeleteAsync(RunBlobs.Active(runId), marker, cancellationToken);
        _ports.Probe.Passed(ProtocolStep.S11, runId);
        _waits.Forget(runId);
        if (!done)
        {
            // Somebody wrote the marker again meanwhile (a repeated intake, an event that is owed again); the tick looks once more, and finds what was sent no longer owed.
            await _records.UpdateAsync(runId, null, record => Decide(record, results), cancellationToken);
        }

        return done;
    }

    private static RunRecord WithEntry(RunRecord record, OutboxEntry mine) =>
        record with { Outbox = [.. record.Outbox!.Select(entry => entry.Publisher == mine.Publisher ? mine : entry)] };

    private DateTimeOffset Later(TimeSpan by) => DateTimeOffset.FromUnixTimeMilliseconds((_ports.Time.GetUtcNow() + by).ToUnixTimeMilliseconds());

    /// <summary>Who lives here. One object: lanes run already when the next host of this process takes over.</summary>
    private sealed record LivingHost(Func<string?>? Id, IHostLock? Locks);

    /// <summary>An id that this process reserves under, and the lock of it. Locks of one process may lie in several roots.</summary>
    private sealed class HeldName(string hostId, IHostLock? locks, IHeldHostLock? held)
    {
        public string HostId => hostId;

        public IHostLock? Locks => locks;

        public IHeldHostLock? Lock => held;

        public int Sending { get; set; }
    }

    /// <summary>What a publisher's entry becomes; null: it goes.</summary>
    /// <param name="Tried">The entry as it stood while it was tried in vain: one that somebody owed again meanwhile has nothing to do with that. Null: whatever is there now.</param>
    private sealed record SendResult(string Publisher, OutboxEntry? Next, OutboxEntry? Tried)
    {
        public bool IsOf(OutboxEntry entry) => entry.Publisher == Publisher && (Tried is null || (Tried.Tries, Tried.NextAt) == (entry.Tries, entry.NextAt));
    }

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} could not be sent to {Publisher}; {Next}")]
    private partial void PublishFailed(RunId runId, string publisher, string next, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} is terminal and its record holds no event; nothing was sent")]
    private partial void NoEvent(RunId runId);

    [LoggerMessage(LogLevel.Error, "The completion event of run {RunId} is not sent to {Publisher}: no host has a publisher of this name any more")]
    private partial void Forgotten(RunId runId, string publisher);

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} is left to the next tick")]
    private partial void NotPublished(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "What came of sending the event of run {RunId} to {Publisher} could not be written; it is sent again")]
    private partial void NotNoted(RunId runId, string publisher, Exception exception);
}
