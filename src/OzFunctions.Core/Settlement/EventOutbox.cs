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
/// once, unless one hung a moment ago; foreign ground is left to the hosts' lanes, so that a slow receiver holds up no other. When and where is decided here; the try
/// is <see cref="EventSender"/>'s, the record and the marker are <see cref="OwedEvents"/>', and <see cref="DeliveryReservations"/> sees to it that one host sends.
/// </summary>
public sealed partial class EventOutbox : IAsyncDisposable
{
    /// <summary>A process that ends waits this long for receivers and commands; what they are still owed, another host or a tick sends.</summary>
    public static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(20);

    /// <summary>What is due later than this is left to the ticks, which every host has.</summary>
    private static readonly TimeSpan OwnRetryWithin = TimeSpan.FromMinutes(10);

    /// <summary>A process that stops waits this long for the store to take what came of a try that is over.</summary>
    private static readonly TimeSpan NotedWithin = TimeSpan.FromSeconds(1);

    private readonly OzPorts _ports;
    private readonly RunRecords _records;
    private readonly PutOffPublishers _putOff;
    private readonly OwedWaits _waits;
    private readonly OwedEvents _owed;
    private readonly EventSender _sender;
    private readonly DeliveryReservations _reservations;
    private readonly ILogger _logger;
    private readonly Dictionary<string, EventLane> _lanes;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, bool> _beside = new();
    private Task? _running;

    public EventOutbox(OzPorts ports, RunRecords records, OwedPublishers owed, EventDeliveryLog log, HostRegistry hosts, OzMetrics metrics, ILogger<EventOutbox> logger)
    {
        (_ports, _records, _logger) = (ports, records, logger);
        _putOff = new(ports.Time);
        _waits = new(ports.Time, _putOff);
        _owed = new(ports, records, owed, _waits);
        _sender = new(ports, owed, _putOff, log, hosts, metrics, logger);
        _reservations = new(records, hosts, ports.Time);
        _lanes = ports.Publishers.Where(publisher => publisher is { IsPrompt: false, IsElsewhere: false }).ToDictionary(
            publisher => publisher.Name, publisher => new EventLane(publisher, ports.Time, DeliverAsync, _stop.Token), StringComparer.Ordinal);
    }

    /// <summary>A long-lived process: from now on it sends to foreign ground. Worker hosts call it themselves; so does who ticks without one.</summary>
    /// <param name="hostId">The id of the host that lives here, by which others find it alive now; null, or an answer of null: there is none.</param>
    /// <param name="locks">By which hosts of one <c>workspace_root</c> see each other's end; null: only the lease tells.</param>
    public void Start(Func<string?>? hostId = null, IHostLock? locks = null)
    {
        _reservations.ReserveAs(hostId, locks);
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
        _reservations.ReleaseLocks();
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
    public IEventPublisher? FindOwn(string workerId, string publisher) => _sender.FindOwn(workerId, publisher);

    /// <summary>The publisher to which this entry of the run's outbox is owed, if this process has it.</summary>
    public IEventPublisher? FindOwn(RunRecord record, OutboxEntry entry) => _sender.FindOwn(record, entry);

    /// <summary>The lane of a publisher on foreign ground while a host lives here.</summary>
    internal EventLane? FindLane(string publisher) => _running is null ? null : _lanes.GetValueOrDefault(publisher);

    /// <summary>False: nothing that this run owes can be sent yet, as far as this process remembers. Saves a tick the reading.</summary>
    internal bool MayOwe(RunId runId, ETag marker) => _waits.AreOver(runId, marker);

    /// <summary>True: a host of this <c>workspace_root</c> sent to foreign ground, and its process is gone.</summary>
    internal bool SawEnd(string hostId) => _reservations.SawEnd(hostId);

    /// <summary>True: something is being sent that is reserved under this id, or is about to be. Asked by a host that has given up its name: it becomes no more.</summary>
    internal bool IsSendingAs(string hostId) => _reservations.IsSendingAs(hostId);

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
    public Task<ETag?> FindMarkerAsync(RunId runId, CancellationToken cancellationToken) => _owed.FindMarkerAsync(runId, cancellationToken);

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
        var results = (await Task.WhenAll(owed.Select(entry => _sender.SendPromptAsync(run.Record, entry, cancellationToken)))).OfType<SendResult>().ToList();
        _ports.Probe.Passed(ProtocolStep.S10, runId);
        var still = await _owed.NoteAsync(run, results, cancellationToken);
        if (still.Count == 0)
        {
            return await _owed.SettleAsync(runId, read, results, cancellationToken);
        }

        List<OutboxEntry> ofLanes = [.. still.Where(entry => FindOwn(run.Record, entry) is not null && FindLane(entry.Publisher) is not null)];
        _waits.Remember(runId, read, still, ofLanes);

        // A lane has room for so many, and after an outage of its receiver all may have retries hours ahead: the tick comes back to those when they are due.
        var soon = _ports.Time.GetUtcNow() + OwnRetryWithin;
        foreach (var entry in ofLanes)
        {
            var due = entry.NextAt is { } next && !await _reservations.IsLeftAsync(entry, cancellationToken) ? next : DateTimeOffset.MinValue;
            if (due <= soon)
            {
                FindLane(entry.Publisher)!.Offer(runId, due);
            }
        }

        return false;
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
    public Task<StoredRun?> OweAgainAsync(RunId runId, IReadOnlyList<string> publishers, CancellationToken cancellationToken) =>
        _owed.OweAgainAsync(runId, publishers, cancellationToken);

    /// <summary>One try at a publisher that is owed this run's event, now and here, and what came of it.</summary>
    public async Task<PublisherDelivery> TryDeliverAsync(RunId runId, string publisher, CancellationToken cancellationToken)
    {
        var marker = await FindMarkerAsync(runId, cancellationToken);
        var run = await _records.FindAsync(runId, cancellationToken) ?? throw new InvalidOperationException($"There is no run {runId}.");
        var entry = run.Record.Outbox?.FirstOrDefault(entry => entry.Publisher == publisher) ?? new(publisher, 0);
        var stored = RunEvents.FindStored(run.Record) ?? throw new InvalidOperationException($"Run {runId} has no event.");
        var delivery = await _sender.TryAsync(_sender.Get(publisher), stored, entry, cancellationToken);
        await NoteAsync(run, stored, entry, marker, delivery, cancellationToken);
        return delivery;
    }

    /// <summary>A lane's turn: reads what is owed, reserves it, sends, writes what came of it.</summary>
    private async Task<DateTimeOffset?> DeliverAsync(IEventPublisher publisher, RunId runId, CancellationToken stop)
    {
        using var reservation = _reservations.Begin(runId, publisher.Name);
        var tried = false;
        try
        {
            if (await FindMarkerAsync(runId, stop) is not { } marker)
            {
                return null;
            }

            var run = await _records.FindAsync(runId, stop);
            if (await reservation.TryTakeAsync(run, stop) is not { } reserved || RunEvents.FindStored(reserved.Record) is not { } stored)
            {
                return null;
            }

            var delivery = await _sender.TryAsync(publisher, stored, reservation.Entry!, stop);
            tried = true;
            await NoteAsync(reserved, stored, reservation.Entry!, marker, delivery, stop);
            return delivery.NextAt <= _ports.Time.GetWireTime(OwnRetryWithin) ? delivery.NextAt : null;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !tried)
        {
            await reservation.GiveBackAsync();
            return null;
        }
        catch (Exception ex)
        {
            // A store that is away, or a record that nobody can read: it stays owed, and a tick offers it again.
            NotNoted(runId, publisher.Name, ex);
            return null;
        }
    }

    /// <summary>Writes what came of a try. Who stops just then has a little time for it: what was taken and is not noted is sent again.</summary>
    /// <param name="marker">Read before <paramref name="run"/>.</param>
    private async Task NoteAsync(StoredRun run, RunEvent stored, OutboxEntry entry, ETag? marker, PublisherDelivery delivery, CancellationToken stop)
    {
        using var deadline = new CancellationTokenSource();
        await using var timer = _ports.Time.CreateTimer(_ => deadline.Cancel(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        await using var stopping = stop.Register(() => timer.Change(NotedWithin, Timeout.InfiniteTimeSpan));

        // In the log first: who sees that nothing is owed any more finds what became of it.
        await _sender.LogAsync(stored, delivery, deadline.Token);
        var tried = run.Record.Outbox?.FirstOrDefault(there => there.Publisher == delivery.Publisher) ?? entry;
        var next = delivery.NextAt is null ? null : entry with { Tries = delivery.Tries, NextAt = delivery.NextAt, HostId = null };
        await _owed.NoteOrSettleAsync(run, marker, new(delivery.Publisher, next, delivery.State == EventDeliveryState.Delivered ? null : tried), deadline.Token);
    }

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} is left to the next tick")]
    private partial void NotPublished(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "What came of sending the event of run {RunId} to {Publisher} could not be written; it is sent again")]
    private partial void NotNoted(RunId runId, string publisher, Exception exception);
}
