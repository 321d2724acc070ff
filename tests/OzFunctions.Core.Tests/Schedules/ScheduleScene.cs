using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Schedules;

/// <summary>One store, a clock that stands until it is moved, and any number of processes that tick.</summary>
internal sealed class ScheduleScene
{
    public static readonly DateTimeOffset Start = new(2026, 11, 25, 12, 0, 30, TimeSpan.Zero);

    public ScheduleScene()
    {
        Store = new(Clock);
        Process = NewProcess();
    }

    public ManualTimeProvider Clock { get; } = new(Start);

    public InMemoryBlobStore Store { get; }

    public OzCore Process { get; }

    public static ScheduleDefinition Every(string cron) => new() { Cron = cron, Request = new() { Prompt = "p" } };

    public OzCore NewProcess(params ConfiguredSchedule[] configured) => NewProcess(new CoreOptions { Schedules = configured });

    public OzCore NewProcess(CoreOptions options) => NewProcess(options, Clock);

    public OzCore NewProcess(CoreOptions options, ILoggerFactory loggers, params IReadOnlyList<Events.IEventPublisher> publishers) => new(Ports(Clock, publishers), options, loggers);

    public OzCore NewProcess(CoreOptions options, TimeProvider clock, params IReadOnlyList<Events.IEventPublisher> publishers) => new(Ports(clock, publishers), options, NullLoggerFactory.Instance);

    public Task<ScheduleRecord> CreateAsync(ScheduleDefinition definition) => Process.Schedules.CreateAsync("s", definition, paused: false, "ann", Cancellation);

    public Task<ScheduleRecord> GetAsync() => Process.Schedules.GetAsync("s", Cancellation);

    public Task TickAsync() => Process.Tick.TickAsync(Cancellation);

    /// <summary>Moves the clock on to this time of the day of <see cref="Start"/>, and ticks.</summary>
    public async Task TickAtAsync(string time, OzCore? process = null)
    {
        Clock.Advance(Start.Date.Add(TimeSpan.Parse(time, System.Globalization.CultureInfo.InvariantCulture)) - Clock.GetUtcNow().UtcDateTime);
        await (process ?? Process).Tick.TickAsync(Cancellation);
    }

    /// <summary>The scheduled times of the runs there are, oldest first.</summary>
    public async Task<List<string>> StartedAsync()
    {
        var runs = await RunsAsync();
        return [.. runs.Select(run => run.Trigger.DeliveryId?[11..16] ?? "now").Order(StringComparer.Ordinal)];
    }

    public async Task<List<RunRecord>> RunsAsync()
    {
        var runs = new List<RunRecord>();
        foreach (var name in Store.Names.Where(name => name.StartsWith("runs/", StringComparison.Ordinal)))
        {
            var blob = await Store.FindAsync(name, Cancellation);
            Assert.True(RunRecords.TryRead(blob!.Content, out var record, out var problem), problem);
            runs.Add(record!);
        }

        return runs;
    }

    private OzPorts Ports(TimeProvider clock, IReadOnlyList<Events.IEventPublisher> publishers) =>
        new() { StoreId = "test", Blobs = Store, Bell = new InMemoryBell(clock), HostLock = new InMemoryHostLock(clock), Publishers = publishers, Time = clock };

    /// <summary>Every write from the <paramref name="first"/>-th on finds the store away, as for a process that was killed.</summary>
    public void KillAtWrite(int first)
    {
        var writes = 0;
        Store.Before = (method, _) => method is not ("FindAsync" or "FindEntryAsync" or "ListAsync") && ++writes >= first
            ? throw new BlobStoreException("killed", isTransient: true, null)
            : Task.CompletedTask;
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;
}
