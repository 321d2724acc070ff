using System.Diagnostics.Metrics;
using OzFunctions.Runs;

namespace OzFunctions.Telemetry;

/// <summary>
/// All instruments (docs/telemetry.md). Those that the vendor's worker has keep its names (facts F1.1 to F1.10), so that its dashboards work, by scrape and by OTLP:
/// counters end with <c>_total</c> here already. Tags are of closed sets; no ids.
/// </summary>
public sealed class OzMetrics : IDisposable
{
    private static readonly string[] Results = ["succeeded", "failed", "cancelled", "dispatched"];
    private static readonly string[] RejectReasons = ["at_capacity", "shutting_down"];
    private static readonly string[] ReconnectReasons = ["dial_failed", "remote_close"];
    private static readonly string[] RetryReasons = ["before_start", "after_start"];
    private static readonly double[] Seconds = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400];

    private readonly Counter<long> _claimed;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _completed;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _reconnects;
    private readonly Histogram<double> _wait;
    private readonly Histogram<double> _phase;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _deadLettered;
    private readonly Counter<long> _lostLeases;
    private readonly Counter<long> _published;
    private HostGauges? _host;
    private QueueSample _sample = new();

    public OzMetrics()
    {
        Meter = new(OzTelemetry.Name);
        _claimed = Meter.CreateCounter<long>("oz_worker_tasks_claimed_total", description: "Runs claimed");
        _rejected = Meter.CreateCounter<long>("oz_worker_tasks_rejected_total", description: "Runs not taken: a host that is full leaves them waiting, one that stops gives them back unstarted");
        _completed = Meter.CreateCounter<long>("oz_worker_tasks_completed_total", description: "Attempts that ended, by result");
        _duration = Meter.CreateHistogram("oz_worker_task_duration_seconds", "s", "From claim to end: setup, agent, artifacts, teardown", tags: null, Buckets());
        _failures = Meter.CreateCounter<long>("oz_worker_task_failures_total", description: "Attempts that ended badly, by phase and reason");
        _reconnects = Meter.CreateCounter<long>("oz_worker_websocket_reconnects_total", description: "dial_failed: a heartbeat did not reach the store; remote_close: others declared this host dead");
        _wait = Meter.CreateHistogram("ozf_run_wait_seconds", "s", "From acceptance to the start of the agent", tags: null, Buckets());
        _phase = Meter.CreateHistogram("ozf_run_phase_seconds", "s", "Time of each phase of an attempt", tags: null, Buckets());
        _retries = Meter.CreateCounter<long>("ozf_run_retries_total", description: "Attempts that were lost or failed and are tried again");
        _deadLettered = Meter.CreateCounter<long>("ozf_requests_dead_lettered_total", description: "Queue messages that became dead letters");
        _lostLeases = Meter.CreateCounter<long>("ozf_leases_lost_total", description: "Attempts stopped because the store was not reached in time");
        _published = Meter.CreateCounter<long>("ozf_events_published_total", description: "Completion events sent, by result");
        Meter.CreateObservableGauge("oz_worker_connected", () => _host is { } host && host.Connected() ? 1 : 0, description: "1: heartbeats reach the store");
        Meter.CreateObservableUpDownCounter("oz_worker_tasks_active", () => _host?.Active() ?? 0, description: "Runs on this host now");
        Meter.CreateObservableGauge("oz_worker_tasks_max_concurrent", () => _host?.Slots ?? 0, description: "Runs side by side; 0: unlimited");
        Meter.CreateObservableGauge("oz_worker_info", Info, description: "Always 1");
        Meter.CreateObservableGauge("ozf_queue_depth", () => _sample.Depth, description: "Runs of this worker that are ready and wait");
        Meter.CreateObservableGauge("ozf_queue_oldest_age_seconds", () => _sample.OldestAge.TotalSeconds, "s", "How long the oldest of them waits");
        Meter.CreateObservableGauge("ozf_dead_letters", () => _sample.DeadLetters, description: "Dead letters in the store");
        Meter.CreateObservableGauge("ozf_disk_free_bytes", () => Measured(_sample.DiskFreeBytes), "By", "Free at the workspace root");
        Meter.CreateObservableGauge("ozf_spool_bytes", () => Measured(_sample.SpoolBytes), "By", "Private directories of attempts on this machine");
    }

    /// <summary>Of this very instance, so that listeners of two hosts in one process do not meet.</summary>
    public Meter Meter { get; }

    /// <summary>Somebody reads: what costs calls of the store is measured.</summary>
    public bool IsRead { get; private set; }

    /// <summary>A host lives here.</summary>
    public void Watch(HostGauges host) => Volatile.Write(ref _host, host);

    public void Sample(QueueSample sample) => Volatile.Write(ref _sample, sample);

    /// <summary>Counts nothing on every label set, so that alerts work before the first run (facts F1.12). Once a reader listens.</summary>
    public void Prime()
    {
        IsRead = true;
        _claimed.Add(0);
        Array.ForEach(RejectReasons, reason => _rejected.Add(0, Tag("reason", reason)));
        Array.ForEach(Results, result => _completed.Add(0, Tag("result", result)));
        Array.ForEach(ReconnectReasons, reason => _reconnects.Add(0, Tag("reason", reason)));
        Array.ForEach(RetryReasons, reason => _retries.Add(0, Tag("when", reason)));
        foreach (var reason in Enum.GetValues<RunReason>().Where(IsFailure))
        {
            _failures.Add(0, Tag("phase", PhaseOf(reason)), Tag("reason", reason.Text()));
        }

        _failures.Add(0, Tag("phase", "cleanup"), Tag("reason", "teardown_command"));
        _deadLettered.Add(0);
        _lostLeases.Add(0);
        _published.Add(0, Tag("result", "sent"));
        _published.Add(0, Tag("result", "failed"));
    }

    public void Claimed() => _claimed.Add(1);

    /// <summary>A run was ready and this host had no room for it: told once for each, however long it waits.</summary>
    public void LeftWaiting() => _rejected.Add(1, Tag("reason", "at_capacity"));

    /// <summary>A claim that was given back unstarted because the host stops.</summary>
    public void GivenBack() => _rejected.Add(1, Tag("reason", "shutting_down"));

    public void HeartbeatFailed() => _reconnects.Add(1, Tag("reason", "dial_failed"));

    public void DeclaredDead() => _reconnects.Add(1, Tag("reason", "remote_close"));

    public void LeaseLost() => _lostLeases.Add(1);

    public void DeadLettered() => _deadLettered.Add(1);

    public void Published(bool sent) => _published.Add(1, Tag("result", sent ? "sent" : "failed"));

    /// <summary>The agent was executed.</summary>
    public void Started(TimeSpan waited) => _wait.Record(Math.Max(0, waited.TotalSeconds));

    /// <summary>An attempt is over and its record says how.</summary>
    /// <param name="again">The run waits for another attempt.</param>
    public void Ended(AttemptRecord attempt, RunReason reason, bool again)
    {
        var result = Tag("result", reason switch { RunReason.Completed => "succeeded", RunReason.TaskCancelled => "cancelled", _ => "failed" });
        _completed.Add(1, result);
        if (attempt.FinishedAt - attempt.ClaimedAt is { } took)
        {
            _duration.Record(Math.Max(0, took.TotalSeconds), result);
        }

        if (IsFailure(reason))
        {
            _failures.Add(1, Tag("phase", PhaseOf(reason)), Tag("reason", reason.Text()));
        }

        if (again)
        {
            _retries.Add(1, Tag("when", attempt.StartedAt is null ? "before_start" : "after_start"));
        }

        Phase("setup", attempt.Durations?.Setup);
        Phase("agent", attempt.Durations?.Agent);
        Phase("artifacts", attempt.Durations?.Artifacts);
        Phase("teardown", attempt.Durations?.Teardown);
        if (attempt.Teardown is { Ran: true, ExitCode: not 0 })
        {
            _failures.Add(1, Tag("phase", "cleanup"), Tag("reason", "teardown_command"));
        }
    }

    public void Dispose() => Meter.Dispose();

    private static bool IsFailure(RunReason reason) => reason is not (RunReason.Completed or RunReason.TaskCancelled);

    /// <summary>The vendor's three phases (facts C3.9).</summary>
    private static string PhaseOf(RunReason reason) => reason is RunReason.Expired or RunReason.InvalidRequest or RunReason.PolicyRefused ? "assignment" : "backend";

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static InstrumentAdvice<double> Buckets() => new() { HistogramBucketBoundaries = Seconds };

    private static IEnumerable<Measurement<long>> Measured(long? value) => value is { } known ? [new(known)] : [];

    private IEnumerable<Measurement<int>> Info() => _host is { } host
        ? [new(1, Tag("version", host.Version), Tag("backend", "direct"), Tag("worker_id", host.WorkerId))]
        : [];

    private void Phase(string name, TimeSpan? time)
    {
        if (time is { } took)
        {
            _phase.Record(took.TotalSeconds, Tag("phase", name));
        }
    }
}
