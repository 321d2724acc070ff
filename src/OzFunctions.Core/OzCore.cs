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
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Settlement;
using OzFunctions.Ticks;

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
    private readonly EventOutbox _outbox;

    public OzCore(OzPorts ports, CoreOptions options, ILoggerFactory loggers)
    {
        Ports = ports;
        Options = options;
        _loggers = loggers;
        Records = new(ports.Blobs, ports.Time);
        Events = new(ports.Blobs, options.PublicUrl);
        _index = new(ports);
        _locks = new(ports.Blobs, Records);
        _ending = new(ports, Events);
        _signals = new(ports.Blobs);
        _outbox = new(ports, Records, loggers.CreateLogger<EventOutbox>());
        _unowned = new(ports, Records, _index, _ending, _outbox);
        Cancels = new(ports, Records, _index, _ending, _outbox, _signals);
        Intake = new(ports, Records, _index, Events, Cancels, options.Intake, loggers.CreateLogger<RunIntake>());
        Hosts = new(ports, options.Tick.Lease);
        Workers = new(ports.Blobs);
        DeadLetters = new(ports.Blobs, ports.Time);
        Repair = new(ports, Records);
        Schedules = new(ports, Intake, options.Schedules);
        var schedules = new ScheduleTick(ports, Schedules, Records, Intake, loggers.CreateLogger<ScheduleTick>());
        Tick = new(ports, Records, _index, _unowned, _ending, _outbox, Hosts, schedules, options.Tick, loggers.CreateLogger<RunTick>());
    }

    public OzPorts Ports { get; }

    public CoreOptions Options { get; }

    public RunRecords Records { get; }

    public RunEvents Events { get; }

    public RunIntake Intake { get; }

    public RunCancels Cancels { get; }

    public HostRegistry Hosts { get; }

    public WorkerControl Workers { get; }

    public DeadLetterStore DeadLetters { get; }

    public ScheduleStore Schedules { get; }

    public RunTick Tick { get; }

    public IndexRepair Repair { get; }

    public RequestConsumer CreateConsumer(IRequestQueue queue) => new(queue, Intake, DeadLetters, Ports.Time, _loggers.CreateLogger<RequestConsumer>());

    /// <summary>A worker host on this machine; <paramref name="requests"/> null: it consumes no request queue.</summary>
    public WorkerHost CreateHost(WorkerOptions worker, IRunBackend backend, IRequestQueue? requests)
    {
        var claims = new RunClaims(Ports, Records, _index, _locks, _ending, _unowned, Cancels, Events, backend, worker, _loggers.CreateLogger<RunClaims>());
        var runner = new AttemptRunner(Ports, _index, _locks, _ending, _unowned, _outbox, backend, _loggers.CreateLogger<AttemptRunner>());
        var adoption = new AttemptAdoption(Ports, Records, Events, _unowned, backend, _loggers.CreateLogger<AttemptAdoption>());
        return new(Ports, worker, backend, claims, runner, adoption, Tick, _signals, Workers, requests is null ? null : CreateConsumer(requests), _loggers.CreateLogger<WorkerHost>());
    }
}

/// <summary>What Core needs of the configuration.</summary>
public sealed record CoreOptions
{
    /// <summary>Where the API is reached from outside, for URLs in events; null: blobs' addresses.</summary>
    public Uri? PublicUrl { get; init; }

    public IntakeOptions Intake { get; init; } = new();

    public TickOptions Tick { get; init; } = new();

    /// <summary>Those of the configuration, started by every process that ticks with it.</summary>
    public IReadOnlyList<ConfiguredSchedule> Schedules { get; init; } = [];
}
