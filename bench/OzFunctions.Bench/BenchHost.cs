using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.AzureStorage;
using OzFunctions.Files;
using OzFunctions.Intake;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>A real <c>ozf worker</c> in a process of its own, and this process as the submitter on the same data directory.</summary>
internal sealed class BenchHost : IAsyncDisposable
{
    private readonly string[] _arguments;
    private readonly FilesStore? _files;
    private Process _worker;
    private HashSet<string> _heard = [];

    private BenchHost(Process worker, string[] arguments, FilesStore? files, OzCore core, IRequestQueue events)
    {
        (_worker, _arguments, _files, Core, Events) = (worker, arguments, files, core, events);
    }

    /// <summary>Its data directory.</summary>
    public string Data => _arguments[2];

    public OzCore Core { get; }

    /// <summary>Completion events as a consumer receives them.</summary>
    public IRequestQueue Events { get; }

    public int Pid => _worker.Id;

    /// <summary>A host that has carried out a run already: the first one pays for everything that is done once.</summary>
    public static async Task<BenchHost> StartAsync(BenchPlace place, string agent, int slots)
    {
        var host = await StartQuietAsync(place, agent, slots: slots);
        await host.RunAsync();
        await host.RunAsync();
        return host;
    }

    public static async Task<BenchHost> StartQuietAsync(BenchPlace place, string agent, string limits = "", int slots = 1)
    {
        var data = place.NewDirectory("data");
        var config = Path.Join(data, "bench.yaml");
        await File.WriteAllTextAsync(config, $"""
            worker_id: local
            max_concurrent_tasks: {slots}
            {limits}
            backend:
              direct:
                workspace_root: {place.NewDirectory("workspaces")}
                oz_path: {agent}
                environment:
                  - name: BENCH_MARKS
                    value: {place.Marks}
            """);
        string[] arguments = ["worker", "--data", data, "--config-file", config, "--log-level", "error"];
        var worker = BenchPlace.Start(BenchPlace.Program, arguments, redirect: false);
        var (files, core) = Open(data);
        var host = new BenchHost(worker, arguments, files, core, new FilesRequestQueue(files, "oz-events"));
        await WaitForHostAsync(worker, core, known: 0);
        return host;
    }

    /// <summary>The same on a storage account; the host has carried out runs already.</summary>
    public static async Task<BenchHost> StartAzureAsync(BenchPlace place, string agent, string connection, int slots)
    {
        var config = Path.Join(place.NewDirectory("config"), "bench.yaml");
        await File.WriteAllTextAsync(config, $"""
            worker_id: local
            max_concurrent_tasks: {slots}
            backend:
              direct:
                workspace_root: {place.NewDirectory("workspaces")}
                oz_path: {agent}
                environment:
                  - name: BENCH_MARKS
                    value: {place.Marks}
            """);
        var account = StorageAccount.Open(connection, new(), TimeProvider.System);
        var core = new OzCore(
            new()
            {
                StoreId = account.StoreId,
                Blobs = new AzureBlobStore(account),
                Bell = new AzureBell(account),
                HostLock = new Hosts.NoHostLock(),
                Publishers = [],
                Time = TimeProvider.System,
            },
            new(),
            NullLoggerFactory.Instance);
        var known = (await core.Hosts.ListAsync(CancellationToken.None)).Count;
        string[] arguments = ["worker", "--storage", connection, "--config-file", config, "--log-level", "error"];
        var worker = BenchPlace.Start(BenchPlace.Program, arguments, redirect: false);
        var host = new BenchHost(worker, arguments, null, core, new AzureRequestQueue(account, StorageNames.Events));
        await WaitForHostAsync(worker, core, known);
        for (var run = 0; run < 5; run++)
        {
            await host.RunAsync();
        }

        return host;
    }

    public static (FilesStore Files, OzCore Core) Open(string data, Durability durability = Durability.Power)
    {
        var files = FilesStore.Open(new() { Directory = data, Durability = durability }, TimeProvider.System);
        var core = new OzCore(
            new()
            {
                StoreId = files.StoreId,
                Blobs = new FilesBlobStore(files, RunMetadata.Describe),
                Bell = new FilesBell(files),
                HostLock = new FilesHostLock(files),
                Publishers = [],
                Time = TimeProvider.System,
            },
            new(),
            NullLoggerFactory.Instance);
        return (files, core);
    }

    /// <summary>Kills the worker and starts another at once; answers when that was.</summary>
    public async Task<long> ReplaceAsync()
    {
        _worker.Kill();
        await _worker.WaitForExitAsync();
        _worker.Dispose();
        _heard = [.. (await Core.Hosts.ListAsync(CancellationToken.None)).Select(host => host.Heartbeat.HostId)];
        var at = Stopwatch.GetTimestamp();
        _worker = BenchPlace.Start(BenchPlace.Program, _arguments, redirect: false);
        return at;
    }

    /// <summary>When the worker of now was first heard of, and its name.</summary>
    public async Task<(long At, string HostId)> WaitForHeartbeatAsync()
    {
        while (true)
        {
            if ((await Core.Hosts.ListAsync(CancellationToken.None)).FirstOrDefault(host => !_heard.Contains(host.Heartbeat.HostId)) is { } heard)
            {
                return (Stopwatch.GetTimestamp(), heard.Heartbeat.HostId);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }
    }

    /// <summary>Until its first heartbeat; one that ends instead has said why on stderr.</summary>
    private static async Task WaitForHostAsync(Process worker, OzCore core, int known)
    {
        while ((await core.Hosts.ListAsync(CancellationToken.None)).Count == known)
        {
            if (worker.HasExited)
            {
                throw new InvalidOperationException($"The host that was to be measured ended with exit code {worker.ExitCode} before its first heartbeat.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    public async Task<RunId> SubmitAsync() =>
        (await Core.Intake.SubmitAsync(new() { Request = new() { Prompt = "bench", Changes = false }, Trigger = new() { Kind = TriggerKind.Cli } }, CancellationToken.None)).Run.RunId;

    /// <summary>Submits a run and waits for its completion event.</summary>
    public async Task<RunId> RunAsync()
    {
        var runId = await SubmitAsync();
        await WaitForCompletionAsync(runId);
        return runId;
    }

    public async Task<DateTimeOffset> WaitForCompletionAsync(RunId runId)
    {
        while (true)
        {
            if (await NextCompletionAsync() is { } completed && completed.RunId == runId)
            {
                return completed.At;
            }
        }
    }

    /// <summary>The next completion event, taken off the queue.</summary>
    public async Task<(RunId RunId, DateTimeOffset At)?> NextCompletionAsync()
    {
        if (await Events.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(30), CancellationToken.None) is not { } message)
        {
            throw new TimeoutException("No event came for 30 seconds.");
        }

        var at = TimeProvider.System.GetUtcNow();
        await Events.CompleteAsync(message, CancellationToken.None);
        using var json = System.Text.Json.JsonDocument.Parse(message.Body);
        return json.RootElement.GetProperty("type").GetString()!.Contains("completed", StringComparison.Ordinal)
            ? (RunId.Parse(json.RootElement.GetProperty("data").GetProperty("run_id").GetString()!), at)
            : null;
    }

    public async ValueTask DisposeAsync()
    {
        // SIGTERM: the host drains, as it would for anyone.
        using (var kill = BenchPlace.Start("/bin/kill", ["-TERM", Pid.ToString(System.Globalization.CultureInfo.InvariantCulture)], redirect: false))
        {
            await kill.WaitForExitAsync();
        }

        await _worker.WaitForExitAsync();
        _worker.Dispose();
        _files?.Dispose();
    }
}
