using System.Collections.Concurrent;
using System.Numerics;
using Microsoft.Extensions.Logging;
using OzFunctions.Attempts;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Settlement;
using OzFunctions.Telemetry;
using OzFunctions.Ticks;

namespace OzFunctions.Hosts;

/// <summary>
/// The long-lived host: claims what it has room for, keeps its heartbeat, adopts what dead hosts of this machine left, obeys cancels, and ticks.
/// One object, one run of <see cref="RunAsync"/>.
/// </summary>
public sealed partial class WorkerHost
{
    private static readonly TimeSpan SignalsEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StartPause = TimeSpan.FromSeconds(2);

    /// <summary>A host that detaches brings to its end what it has begun, this long: it is to be gone within five seconds, also when the store hangs.</summary>
    private static readonly TimeSpan LeaveWithin = TimeSpan.FromSeconds(3);
    private const int MostFaultPauses = 15;

    /// <summary>Records read at once: hides a store's latency.</summary>
    private const int LooksAtOnce = 8;
    private static readonly TimeSpan FaultPause = TimeSpan.FromSeconds(1);

    private readonly OzPorts _ports;
    private readonly WorkerOptions _options;
    private readonly IRunBackend _backend;
    private readonly RunClaims _claims;
    private readonly AttemptRunner _runner;
    private readonly AttemptAdoption _adoption;
    private readonly RunTick _tick;
    private readonly HostSignals _signals;
    private readonly WorkerControl _control;
    private readonly OwedPublishers _owed;
    private readonly EventOutbox _outbox;
    private readonly OzMetrics _metrics;
    private readonly RequestConsumer? _consumer;
    private readonly ILogger _logger;

    private readonly ConcurrentDictionary<OwnedAttempt, Task> _attempts = new();
    private readonly CancellationTokenSource _stopClaiming = new();
    private readonly CancellationTokenSource _stopNow = new();
    private readonly CancellationTokenSource _detach = new();
    private readonly CancellationTokenSource _leaveDiscards = new();
    private readonly CancellationTokenSource _leave = new();
    private CancellationTokenSource? _leaving;
    private readonly WakeSignal _wake = new();
    private readonly WakeSignal _idle = new();
    private readonly RungRun _rung = new();
    private readonly HostWatch _watch;
    private HostPresence _presence;
    private string? _announced;
    private ETag? _signalsSeen;
    private IReadOnlyList<RunId> _signalled = [];
    private readonly HashSet<RunId> _leftWaiting = [];
    private int _claimed;
    private volatile bool _leavesRuns;
    private volatile bool _connected;
    private long _beatAt;
    private Task _looking = Task.CompletedTask;
    private readonly ConcurrentDictionary<string, int> _failing = new();

    internal WorkerHost(
        OzPorts ports,
        WorkerOptions options,
        IRunBackend backend,
        RunClaims claims,
        AttemptRunner runner,
        AttemptAdoption adoption,
        RunTick tick,
        HostSignals signals,
        WorkerControl control,
        OwedPublishers owed,
        EventOutbox outbox,
        OzMetrics metrics,
        RequestConsumer? consumer,
        ILogger<WorkerHost> logger)
    {
        _ports = ports;
        _options = options;
        _backend = backend;
        _claims = claims;
        _runner = runner;
        _adoption = adoption;
        _tick = tick;
        _signals = signals;
        _control = control;
        _owed = owed;
        _outbox = outbox;
        _metrics = metrics;
        _consumer = consumer;
        _logger = logger;
        _presence = new(ports, options, logger);
        _watch = new(ports.Time, options.Lease) { Self = () => _presence.HostId, Reaches = () => _connected, AtOnce = options.Once };
        _beatAt = ports.Time.GetTimestamp();
        metrics.Watch(new()
        {
            Connected = () => _connected,
            Active = () => RunningCount,
            WorkerId = options.WorkerId,
            Version = options.Version,
            Slots = options.Slots,
        });
    }

    public string HostId => _presence.HostId;

    /// <summary>Why this host takes no runs now; null: it does.</summary>
    public string? NotReady => _presence.AwaySince is { } since
        ? $"The store has not been reached since {Json.TimeText.Format(since)}; {(_presence.LeaseLeft > TimeSpan.Zero ? $"agents go on for {DurationText.Format(WholeSeconds(_presence.LeaseLeft))} more" : "agents were stopped")}."
        : _presence.NotReady;

    /// <summary>Its loops turn: the last heartbeat was tried not longer ago than two of its periods and a minute, whether or not the store answered.</summary>
    public bool IsAlive => _ports.Time.GetElapsedTime(Volatile.Read(ref _beatAt)) < 2 * _options.HeartbeatEvery + TimeSpan.FromMinutes(1);

    /// <summary>Why this host takes no new run, a sentence each; empty: it does. For readiness.</summary>
    public IReadOnlyList<string> FindReasons()
    {
        var reasons = new List<string>();
        if (_stopClaiming.IsCancellationRequested)
        {
            reasons.Add("The host stops and takes no more runs.");
        }

        if (!_connected)
        {
            reasons.Add("The last heartbeat did not reach the store.");
        }

        if (NotReady is { } reason)
        {
            reasons.Add(reason);
        }

        return reasons;
    }

    /// <summary>Runs here now.</summary>
    public int RunningCount => _attempts.Count;

    /// <summary>Stop claiming; runs finish within the drain timeout. A second call stops them now.</summary>
    public void Drain()
    {
        if (_stopClaiming.IsCancellationRequested)
        {
            _stopNow.Cancel();
        }

        _stopClaiming.Cancel();
    }

    /// <summary>Stop claiming and leave within seconds; agents live on and are adopted by the next host of this machine.</summary>
    public void Detach()
    {
        if (_leaving is null)
        {
            _leaving = new(LeaveWithin, _ports.Time);
            _leaving.Token.Register(_leave.Cancel);
        }

        _stopClaiming.Cancel();
        _detach.Cancel();
    }

    /// <summary>Runs until drained or detached.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _outbox.Start(() => _presence.NameForOthers, _backend.HostLocks);
        await StartAsync(cancellationToken);
        using var stopLoops = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] loops =
        [
            LoopAsync("heartbeat", _options.HeartbeatEvery, BeatAsync, stopLoops.Token),
            LoopAsync("signals", SignalsEvery, ReadSignalsAsync, stopLoops.Token),
            LoopAsync("tick", TickPeriod(), token => _tick.TickAsync(_watch, token), stopLoops.Token),
            LoopAsync("measures", _options.ListEvery, SampleAsync, stopLoops.Token),
        ];

        // Listens first: a ring between the first listing and the first wait would be heard by nobody for a whole listing period.
        Task[] takers =
        [
            ForwardBellAsync(_stopClaiming.Token),
            ClaimLoopAsync(_stopClaiming.Token),
            LoopAsync("listing", _options.ListEvery, _ => WakeAsync(), _stopClaiming.Token),
            LoopAsync("adoption", _options.AdoptEvery, AdoptAsync, _stopClaiming.Token),
            _consumer is null ? Task.CompletedTask : ConsumeAsync(_stopClaiming.Token),
        ];

        await _stopClaiming.Token.FiredAsync(cancellationToken);
        await Task.WhenAll(takers);
        if (!_detach.IsCancellationRequested)
        {
            await DrainAsync(cancellationToken);
        }

        await Task.WhenAll(_attempts.Values);
        await EndDiscardsAsync(cancellationToken);
        await stopLoops.CancelAsync();
        await Task.WhenAll(loops);
        await _looking;
        await _outbox.StopAsync(_detach.IsCancellationRequested ? TimeSpan.Zero : EventOutbox.EndGrace);
        await LeaveAsync();
    }

    /// <summary>A host has written its first heartbeat before its first claim, and looks for orphans of its machine before it takes new work.</summary>
    private async Task StartAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _leave.Token);
        try
        {
            await BeginAsync(either.Token);
        }
        catch (OperationCanceledException) when (_leave.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // It leaves before it has begun: the store hangs.
        }
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        while (!_stopClaiming.IsCancellationRequested && !await _presence.TryBeatAsync(cancellationToken))
        {
            await _ports.Time.DelayAsync(StartPause, _stopClaiming.Token, cancellationToken);
        }

        _connected = _presence.HasBeaten;
        Started(_presence.HostId, _options.WorkerId, _options.Machine, _options.Slots == 0 ? "unlimited" : _options.Slots.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await GuardAsync("publishers", token => _owed.ServeAsync(_options.WorkerId, token), cancellationToken);
        await GuardAsync("adoption", AdoptAsync, cancellationToken);
        await GuardAsync("measures", SampleAsync, cancellationToken);
    }

    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        if (_attempts.IsEmpty)
        {
            return;
        }

        if (!_options.Once)
        {
            Draining(_attempts.Count, DurationText.Format(_options.DrainTimeout));
        }

        using var deadline = new CancellationTokenSource(_options.DrainTimeout, _ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopNow.Token, _detach.Token);
        var all = Task.WhenAll(_attempts.Values);
        await Task.WhenAny(all, either.Token.FiredAsync(cancellationToken));
        if (all.IsCompleted || _detach.IsCancellationRequested)
        {
            return;
        }

        StoppingRuns(_attempts.Count);
        foreach (var attempt in _attempts.Keys)
        {
            attempt.Order(StopOrder.Shutdown);
        }

        await Task.WhenAny(all, _detach.Token.FiredAsync(cancellationToken));
    }

    /// <summary>Waits for the teardown of what is nobody's; told to stop now, or to detach, leaves it to its shims and the next host.</summary>
    private async Task EndDiscardsAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopNow.Token, _detach.Token);
        await Task.WhenAny(_adoption.Discards, either.Token.FiredAsync(cancellationToken));
        await _leaveDiscards.CancelAsync();
        await _adoption.Discards;
    }

    private async Task LeaveAsync()
    {
        try
        {
            if (_detach.IsCancellationRequested || _leavesRuns || _adoption.LeavesRuns)
            {
                // The last heartbeat gives the next host the whole lease; the locks go with the process.
                await _presence.TryBeatAsync(_leave.Token);
                _presence.Dispose();
                Detached(_presence.HostId);
                return;
            }

            await _presence.LeaveAsync(_signals, CancellationToken.None);
            Left(_presence.HostId);
        }
        catch (Exception ex) when (ex is BlobStoreException or OperationCanceledException)
        {
            // Others find the heartbeat old and forget it (T5); the next host has what is left of the lease.
            _presence.Dispose();
        }
    }

    private async Task ClaimLoopAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await GuardAsync("claim", ClaimAsync, stop);
            await _wake.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ClaimAsync(CancellationToken cancellationToken)
    {
        if (!HasRoom())
        {
            return;
        }

        if (FindShortage() is { } shortage)
        {
            await AnnounceAsync(shortage, cancellationToken);
            return;
        }

        var asked = false;
        await foreach (var attempt in _claims.ClaimAsync(_presence, _rung.Take(), AskAsync, _leave.Token, cancellationToken))
        {
            _claimed++;
            _metrics.Claimed();
            Begin(attempt, () => _runner.RunAsync(attempt, _detach.Token));
            if (_options.Once)
            {
                Drain();
            }

            if (cancellationToken.IsCancellationRequested || !HasRoom() || FindShortage() is not null)
            {
                break;
            }
        }

        if (!asked)
        {
            // Nothing waits; readiness says all the same whether anything would be taken.
            await IsUnpausedAsync(cancellationToken);
        }

        Task<bool> AskAsync(CancellationToken token)
        {
            asked = true;
            return IsUnpausedAsync(token);
        }
    }

    /// <summary>For whoever reads metrics: runs that are ready and find this host full, each counted once.</summary>
    private void CountLeft(IReadOnlyList<RunId> ready)
    {
        if (_options.Once || _options.Slots == 0 || HasRoom())
        {
            return;
        }

        // An entry may outlive the claim for a moment, and what was listed its run: who is listed is not forgotten.
        var left = ready.Except(_attempts.Keys.Select(attempt => attempt.RunId)).ToHashSet();
        foreach (var _ in left.Except(_leftWaiting))
        {
            _metrics.LeftWaiting();
        }

        _leftWaiting.IntersectWith(ready);
        _leftWaiting.UnionWith(left);
    }

    private bool HasRoom() => (_options.Slots == 0 || _attempts.Count < _options.Slots) && !(_options.Once && _claimed > 0);

    private async Task<bool> IsUnpausedAsync(CancellationToken cancellationToken)
    {
        var paused = (await _control.GetPausedAsync(cancellationToken)).Contains(_options.WorkerId);
        await AnnounceAsync(paused ? $"Worker '{_options.WorkerId}' is paused (ozf workers resume)." : null, cancellationToken);
        return !paused;
    }

    /// <summary>Says why this host takes no runs from now on; null: it does.</summary>
    private async Task AnnounceAsync(string? reason, CancellationToken cancellationToken)
    {
        if (reason == _announced)
        {
            return;
        }

        _announced = reason;
        _presence.NotReady = reason;
        if (reason is null)
        {
            Ready(_presence.HostId);
        }
        else
        {
            NotReadyNow(reason);
        }

        await _presence.TryBeatAsync(cancellationToken);
    }

    private string? FindShortage() =>
        _presence.DeclaredDead || _presence.LeaseLeft <= TimeSpan.Zero ? "The store was not reached for too long; agents were stopped." : _backend.FindShortage();

    private void Begin(OwnedAttempt attempt, Func<Task> work)
    {
        // Not on this thread: the files and the shim of one run must not hold up the claim of the next.
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _attempts[attempt] = FollowAsync();
        begun.SetResult();

        async Task FollowAsync()
        {
            await begun.Task;
            try
            {
                await work();
            }
            catch (OperationCanceledException) when (_detach.IsCancellationRequested)
            {
                // The agent lives on; the free lock of its directory is the sign for the next host.
                attempt.Directory.Dispose();
            }
            catch (Exception ex)
            {
                // Its directory's lock goes free and adoption looks at it again: no fault of one run may end the host.
                AttemptFailed(attempt.RunId, ex);
                _leavesRuns = true;
                attempt.LeaveRunning();
                attempt.Directory.Dispose();
            }
            finally
            {
                _attempts.TryRemove(attempt, out _);
                attempt.Dispose();
                _claims.Unblock(attempt.ConcurrencyKey);
                _wake.Set();
                _idle.Set();
            }
        }
    }

    private async Task AdoptAsync(CancellationToken cancellationToken)
    {
        if (_presence.DeclaredDead)
        {
            await StartAnewAsync(cancellationToken);
            return;
        }

        if (_stopClaiming.IsCancellationRequested)
        {
            return;
        }

        // Brought to its end like a claim: a stop in the middle would leave attempts that are locked here and carried on by nobody.
        await foreach (var adopted in _adoption.AdoptAsync(_presence, _leaveDiscards.Token, _leave.Token))
        {
            Begin(adopted.Attempt, () => adopted.Settled is { } settled
                ? _runner.FinishAdoptedAsync(adopted.Attempt, settled, _detach.Token)
                : GoOnAsync(adopted.Attempt));
        }
    }

    /// <summary>A3. A claim that was cut off before C6 does not hold its key yet; one that got so far finds itself in the lock.</summary>
    private async Task GoOnAsync(OwnedAttempt attempt)
    {
        if (attempt.Record.State == RunState.Claimed && !await _claims.TryHoldKeyAsync(attempt, _detach.Token))
        {
            attempt.LeaveRunning();
            await attempt.Directory.DiscardAsync(_detach.Token);
            return;
        }

        await _runner.RunAsync(attempt, _detach.Token);
    }

    /// <summary>L4: declared dead, agents stopped and settled; go on under a new id.</summary>
    private async Task StartAnewAsync(CancellationToken cancellationToken)
    {
        if (!_attempts.IsEmpty)
        {
            return;
        }

        _presence.Dispose();
        _presence = new(_ports, _options, _logger);
        (_signalled, _signalsSeen) = ([], null);
        if (await _presence.TryBeatAsync(cancellationToken))
        {
            Started(_presence.HostId, _options.WorkerId, _options.Machine, "as before");
            _wake.Set();
        }
    }

    private async Task BeatAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref _beatAt, _ports.Time.GetTimestamp());
        _connected = await _presence.TryBeatAsync(cancellationToken);
        Volatile.Write(ref _beatAt, _ports.Time.GetTimestamp());
        if (_connected)
        {
            // Once; again only where an outage kept it from being said.
            await _owed.ServeAsync(_options.WorkerId, cancellationToken);
        }
        else if (_presence.DeclaredDead)
        {
            _metrics.DeclaredDead();
        }
        else
        {
            _metrics.HeartbeatFailed();
        }

        foreach (var attempt in _attempts.Keys)
        {
            // By the lease it was taken under: a claim may have begun just before this host went on under another id.
            if (attempt.LeaseLeft <= TimeSpan.Zero)
            {
                if (attempt.StopOrder is null or StopOrder.Cancel or StopOrder.Shutdown)
                {
                    _metrics.LeaseLost();
                }

                attempt.Order(StopOrder.Lease);
            }
        }

        // Beside the heartbeat, which a slow store would make late with one read for each run; one pass at a time.
        if (_looking.IsCompleted)
        {
            _looking = GuardAsync("look", LookAtAllAsync, cancellationToken);
        }
    }

    /// <summary>X2 for whoever was not signalled. A fault in one record keeps nobody from looking at the others; the last one is told.</summary>
    private async Task LookAtAllAsync(CancellationToken cancellationToken)
    {
        BlobStoreException? failed = null;
        await Parallel.ForEachAsync(
            _attempts.Keys.Where(attempt => attempt.LeaseLeft > TimeSpan.Zero),
            new ParallelOptions { MaxDegreeOfParallelism = LooksAtOnce, CancellationToken = cancellationToken },
            async (attempt, token) =>
            {
                try
                {
                    await LookAsync(attempt, token);
                }
                catch (BlobStoreException ex)
                {
                    failed = ex;
                }
            });
        if (failed is not null)
        {
            throw failed;
        }
    }

    private async Task LookAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        try
        {
            await attempt.LookAsync(cancellationToken);
        }
        catch (UnreadableRecordException ex)
        {
            LoopFailed("heartbeat", ex);
        }
    }

    /// <summary>X2: one conditional read a second while something runs here.</summary>
    private async Task ReadSignalsAsync(CancellationToken cancellationToken)
    {
        if (_attempts.IsEmpty)
        {
            return;
        }

        if (await _signals.FindChangeAsync(_presence.HostId, _signalsSeen, cancellationToken) is { } change)
        {
            (_signalled, _signalsSeen) = change;
        }

        // A signal may be older than the attempt's entry here: what was signalled is kept, and the record decides.
        foreach (var attempt in _attempts.Keys.Where(attempt => attempt.StopOrder is null && _signalled.Contains(attempt.RunId)))
        {
            await LookAsync(attempt, cancellationToken);
        }
    }

    /// <summary>Waiting runs are listed at every ring, when a slot falls free, and every 15 seconds, whether or not the bell works.</summary>
    private async Task ForwardBellAsync(CancellationToken stop)
    {
        IBellListener? listener = null;
        while (!stop.IsCancellationRequested)
        {
            await GuardAsync(
                "bell",
                async token =>
                {
                    // Kept when the store fails a wait: what rings until the next one is remembered.
                    listener ??= _ports.Bell.Listen(_options.WorkerId);
                    try
                    {
                        while (!token.IsCancellationRequested)
                        {
                            if (await listener.WaitAsync(_options.ListEvery, token))
                            {
                                _rung.Put(listener.LastRun);
                                _wake.Set();
                            }
                        }
                    }
                    catch (Exception ex) when (ex is not (BlobStoreException or OperationCanceledException))
                    {
                        await listener.DisposeAsync();
                        listener = null;
                        throw;
                    }
                },
                stop);
        }

        if (listener is not null)
        {
            await GuardAsync("end of the bell", _ => listener.DisposeAsync().AsTask(), stop);
        }
    }

    /// <summary>For whoever reads metrics; nothing is listed while nobody does.</summary>
    private async Task SampleAsync(CancellationToken cancellationToken)
    {
        if (_metrics.IsRead)
        {
            var (sample, ready) = await QueueSampling.TakeAsync(_ports, _options.WorkerId, cancellationToken);
            CountLeft(ready);
            var measures = _backend.Measure();
            _metrics.Sample(sample with { DiskFreeBytes = measures.DiskFreeBytes, SpoolBytes = measures.SpoolBytes });
        }
    }

    private Task WakeAsync()
    {
        _wake.Set();
        return Task.CompletedTask;
    }

    private async Task ConsumeAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await GuardAsync("consumer", _consumer!.RunAsync, stop);
        }
    }

    private TimeSpan TickPeriod() => _options.TickEvery * (0.8 + Random.Shared.NextDouble() * 0.4);

    private async Task LoopAsync(string name, TimeSpan period, Func<CancellationToken, Task> step, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(period, _ports.Time);
        while (await WaitAsync(timer, stop))
        {
            await GuardAsync(name, step, stop);
        }
    }

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken stop)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stop);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The catch-all of the host's loops: an outage or a fault in one step must not end the host, which others would then declare dead.</summary>
    private async Task GuardAsync(string name, Func<CancellationToken, Task> step, CancellationToken stop)
    {
        try
        {
            await step(stop);
            if (_failing.TryRemove(name, out var failed) && failed > 1)
            {
                LoopWorks(name, failed);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (Exception ex)
        {
            // An outage of hours is not to fill the log, nor to be met with as many calls as a store that answers.
            var failures = _failing.AddOrUpdate(name, 1, (_, before) => before + 1);
            if (BitOperations.IsPow2(failures))
            {
                LoopFailed(name, ex);
            }

            var pause = FaultPause * Math.Min(failures, MostFaultPauses);
            await _ports.Time.DelayAsync(pause, stop, CancellationToken.None);
        }
    }

    private static TimeSpan WholeSeconds(TimeSpan time) => TimeSpan.FromSeconds(Math.Ceiling(time.TotalSeconds));
}
