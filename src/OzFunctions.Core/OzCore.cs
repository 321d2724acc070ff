using Microsoft.Extensions.Logging;
using OzFunctions.Attempts;
using OzFunctions.Backends;
using OzFunctions.Cancelling;
using OzFunctions.DeadLetters;
using OzFunctions.Dispatch;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Retention;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Settlement;
using OzFunctions.Telemetry;
using OzFunctions.Ticks;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions;

/// <summary>Core over one set of ports: what a composition root makes, and all that commands and triggers need.</summary>
public sealed class OzCore
{
    private readonly ILoggerFactory _loggers;
    private readonly ConcurrencyLocks _locks;
    private readonly RunEnding _ending;
    private readonly DispatchIndex _index;
    private readonly UnownedRuns _unowned;
    private readonly HostSignals _signals;
    private readonly EventNotices _notices;

    public OzCore(OzPorts ports, CoreOptions options, ILoggerFactory loggers)
    {
        Ports = ports;
        Options = options;
        _loggers = loggers;
        Records = new(ports.Blobs, ports.Time);
        Events = new(ports.Blobs, options.PublicUrl);
        _index = new(ports);
        _locks = new(ports.Blobs, Records);
        Workers = new(ports.Blobs);
        OwedPublishers = new(ports, Workers, options.WorkerId);
        _ending = new(ports, Events, OwedPublishers);
        _signals = new(ports.Blobs);
        Deliveries = new(ports.Blobs);
        WebhookDeliveries = new(ports.Blobs);
        SignedBodies = new(ports.Blobs, ports.Time);
        Hosts = new(ports, options.Tick.Lease);
        Watch = new(ports.Time, options.Tick.Lease);
        Outbox = new(ports, Records, OwedPublishers, Deliveries, Hosts, Metrics, loggers.CreateLogger<EventOutbox>());
        _notices = new(ports, Events, Outbox, Metrics, loggers.CreateLogger<EventNotices>());
        _unowned = new(ports, Records, _index, _locks, _ending, Outbox);
        Cancels = new(ports, Records, _index, _locks, _ending, Outbox, _signals);
        Intake = new(ports, Records, _index, _notices, Cancels, options.Intake, loggers.CreateLogger<RunIntake>());
        DeadLetters = new(ports.Blobs, ports.Time);
        Fleet = new(ports, Hosts, loggers.CreateLogger<FleetWatch>());
        Messages = new(Intake, DeadLetters, Metrics, ports.Time, loggers.CreateLogger<MessageIntake>());
        Repair = new(ports, Records);
        Schedules = new(ports, Intake, options.Schedules, loggers.CreateLogger<ScheduleStore>());
        Removal = new(ports, Records);
        OldRuns = new(Records);
        var retention = new RetentionTick(ports, Records, OldRuns, Removal, options.Retention, loggers.CreateLogger<RetentionTick>());
        var schedules = new ScheduleTick(ports, Schedules, Records, Intake, loggers.CreateLogger<ScheduleTick>());
        Tick = new(ports, Records, _index, _unowned, _ending, _locks, Outbox, Deliveries, WebhookDeliveries, SignedBodies, Hosts, schedules, retention, options.Tick, loggers.CreateLogger<RunTick>());
    }

    /// <summary>What happens here, for whoever reads it.</summary>
    public OzMetrics Metrics { get; } = new();

    public OzPorts Ports { get; }

    public CoreOptions Options { get; }

    public RunRecords Records { get; }

    public RunEvents Events { get; }

    public RunIntake Intake { get; }

    public RunCancels Cancels { get; }

    public HostRegistry Hosts { get; }

    public WorkerControl Workers { get; }

    /// <summary>S10 and S11, and what a person may have sent again.</summary>
    public EventOutbox Outbox { get; }

    /// <summary>Who is owed a completion event.</summary>
    public OwedPublishers OwedPublishers { get; }

    /// <summary>What became of events on foreign ground.</summary>
    public EventDeliveryLog Deliveries { get; }

    /// <summary>What came in through webhooks.</summary>
    public DeliveryLog WebhookDeliveries { get; }

    /// <summary>What was signed by senders whose ids are not.</summary>
    public SignedBodies SignedBodies { get; }

    public DeadLetterStore DeadLetters { get; }

    /// <summary>How things stand, for alerts.</summary>
    public FleetWatch Fleet { get; }

    /// <summary>What a queue's message means.</summary>
    public MessageIntake Messages { get; }

    public ScheduleStore Schedules { get; }

    public RunRemoval Removal { get; }

    public OldRuns OldRuns { get; }

    public RunTick Tick { get; }

    /// <summary>For the ticks of a process that ticks again and again and is no host.</summary>
    public HostWatch Watch { get; }

    public IndexRepair Repair { get; }

    public RequestConsumer CreateConsumer(IRequestQueue queue) => new(queue, Messages, Ports.Time, _loggers.CreateLogger<RequestConsumer>());

    /// <summary>A worker host on this machine; <paramref name="requests"/> null: it consumes no request queue.</summary>
    public WorkerHost CreateHost(WorkerOptions worker, IRunBackend backend, IRequestQueue? requests)
    {
        var claims = new RunClaims(Ports, Records, _index, _locks, _ending, _unowned, Outbox, Cancels, _notices, backend, worker, _loggers.CreateLogger<RunClaims>());
        var runner = new AttemptRunner(Ports, _index, _locks, _ending, _unowned, Outbox, backend, Metrics, _loggers.CreateLogger<AttemptRunner>());
        var adoption = new AttemptAdoption(Ports, Records, _notices, _unowned, _locks, backend, worker, _loggers.CreateLogger<AttemptAdoption>());
        return new(Ports, worker, backend, claims, runner, adoption, Tick, _signals, Workers, OwedPublishers, Outbox, Metrics, requests is null ? null : CreateConsumer(requests), _loggers.CreateLogger<WorkerHost>());
    }

    /// <summary>A host for one <c>ozf exec</c>, which settles on the way what earlier ones left on this machine.</summary>
    /// <param name="own">Runs the caller's agent.</param>
    /// <param name="others">Settles what was left; its agents' output goes to nobody's terminal.</param>
    public UnmanagedHost CreateUnmanaged(WorkerOptions worker, IRunBackend own, IRunBackend others, TimeSpan? startMayWait = null)
    {
        UnmanagedHost? host = null;
        var noted = new NotedBackend(own, () => host!.NoteAgentEnded());
        var ownRunner = new AttemptRunner(Ports, _index, _locks, _ending, _unowned, Outbox, noted, Metrics, _loggers.CreateLogger<AttemptRunner>());
        var otherRunner = new AttemptRunner(Ports, _index, _locks, _ending, _unowned, Outbox, others, Metrics, _loggers.CreateLogger<AttemptRunner>());
        var adoption = new AttemptAdoption(Ports, Records, _notices, _unowned, _locks, others, worker, _loggers.CreateLogger<AttemptAdoption>());
        return host = new(Ports, worker, Records, _notices, ownRunner, otherRunner, adoption, _signals, Outbox, others.HostLocks, _loggers.CreateLogger<UnmanagedHost>()) { StartMayWait = startMayWait };
    }
}

/// <summary>What Core needs of the configuration.</summary>
public sealed record CoreOptions
{
    /// <summary>Where the API is reached from outside, for URLs in events; null: blobs' addresses.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>The worker whose configuration this is, and whose the publishers are; null: of all workers.</summary>
    public string? WorkerId { get; init; }

    public IntakeOptions Intake { get; init; } = new();

    public TickOptions Tick { get; init; } = new();

    public RetentionOptions Retention { get; init; } = new();

    /// <summary>Those of the configuration, started by every process that ticks with it.</summary>
    public IReadOnlyList<ConfiguredSchedule> Schedules { get; init; } = [];
}
