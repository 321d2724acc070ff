using System.Text.Json;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>A data directory, a workspace root and an agent of the test's own; real <c>ozf</c> processes on them. Disposing ends what is left of it.</summary>
internal sealed class OneMachine : IAsyncDisposable
{
    private const string SetPrivileges = "/usr/bin/setpriv";
    private const string Nobody = "54321";
    private static readonly string Here = AppContext.BaseDirectory;

    private readonly TempDirectory _directory = new();
    private readonly List<TestProcess> _workers = [];
    private readonly RunsAs _who;

    /// <param name="agent">Body of the agent, a shell script; null: fake-oz.</param>
    /// <param name="settings">Lines of the configuration's top level.</param>
    /// <param name="direct">Lines of <c>backend.direct</c>.</param>
    /// <param name="who">The account of hosts and commands; another than the tests' own needs <see cref="CanDropRights"/>.</param>
    /// <param name="slots">Runs side by side.</param>
    public OneMachine(string? agent = null, string settings = "", string direct = "", RunsAs who = RunsAs.Tests, int slots = 4)
    {
        _who = who;
        var path = agent is null ? Path.Join(Here, "fake-oz") : _directory["oz"];
        if (agent is not null)
        {
            ShellAgent.Write(path, agent);
        }

        File.WriteAllText(Config, $"""
            worker_id: local
            max_concurrent_tasks: {slots}
            {settings}
            backend:
              direct:
                workspace_root: {Workspaces}
                oz_path: {path}
                stop_grace: 2s
                environment:
                  - name: MARKS
                    value: {_directory.Create("marks")}
            {Indent(direct)}
            {Indent(who == RunsAs.OtherAccount ? "user: nobody" : "")}
            """);
        switch (who)
        {
            case RunsAs.Ordinary:
                GiveAway(_directory.Path);
                break;
            case RunsAs.OtherAccount:
                const UnixFileMode Everybody = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
                File.SetUnixFileMode(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | Everybody);
                File.SetUnixFileMode(path, File.GetUnixFileMode(path) | Everybody | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
                Open("marks");
                break;
        }
    }

    /// <summary>A directory in which every account may write, as the agent's must where it is not the host's.</summary>
    public void Open(string name) => File.SetUnixFileMode(_directory.Create(name), (UnixFileMode)0x1FF);

    /// <summary>Whether commands can be run as another, ordinary user.</summary>
    public static bool CanDropRights => Environment.IsPrivilegedProcess && File.Exists(SetPrivileges);

    /// <summary>Where the product lies whose hosts are started.</summary>
    public string Product { get; set; } = Here;

    public string Data => _directory["data"];

    public string Workspaces => _directory["workspaces"];

    public string Marks => _directory["marks"];

    public string Config => _directory["ozf.yaml"];

    public string this[string name] => _directory[name];

    /// <summary>Runs a command of ozf to its end.</summary>
    public Task<(int ExitCode, string Output, string Errors)> OzfAsync(CancellationToken cancellationToken, params string[] arguments) =>
        OzfAsync(cancellationToken, new Dictionary<string, string?>(), arguments);

    public Task<(int ExitCode, string Output, string Errors)> OzfAsync(CancellationToken cancellationToken, IReadOnlyDictionary<string, string?> environment, string[] arguments)
    {
        var (program, all) = AsUser([.. arguments, "--data", Data]);
        return TestProcess.RunAsync(program, all, cancellationToken, With(environment));
    }

    /// <summary>Submits and answers the run id.</summary>
    public async Task<RunId> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var (exitCode, output, errors) = await OzfAsync(cancellationToken, ["run", .. arguments]);
        return exitCode == 0 ? RunId.Parse(output.Trim()) : throw new InvalidOperationException($"ozf run exited {exitCode}: {errors}");
    }

    public TestProcess StartWorker(params string[] arguments) => StartWorker(new Dictionary<string, string?>(), arguments);

    public TestProcess StartWorker(IReadOnlyDictionary<string, string?> environment, string[] arguments)
    {
        var (program, all) = AsUser(WorkerArguments(arguments));
        return Keep(TestProcess.Start(program, all, With(environment)));
    }

    /// <summary>A worker that kills itself right after a step of the protocol.</summary>
    public TestProcess StartCrashing(string step, params string[] arguments) => Keep(TestProcess.Start(Path.Join(Here, "OzFunctions.CrashHost"), [step, .. arguments, "--data", Data], Clean));

    public string[] WorkerArguments(params string[] arguments) => ["worker", "--data", Data, "--config-file", Config, .. arguments];

    public async Task<JsonElement> GetAsync(RunId runId, CancellationToken cancellationToken)
    {
        var (exitCode, output, errors) = await OzfAsync(cancellationToken, "runs", "get", runId.Value, "--output", "json");
        Assert.True(exitCode == 0, errors);
        using var document = JsonDocument.Parse(output);
        return document.RootElement.Clone();
    }

    /// <summary>Reads the record file itself until it says what is wanted: no process is started for a look.</summary>
    public async Task<RunRecord> UntilAsync(RunId runId, Func<RunRecord, bool> condition, CancellationToken cancellationToken)
    {
        var path = Path.Join(Data, "ozfunctions", RunBlobs.Record(runId));
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!) { EnableRaisingEvents = true };
        using var changed = new SemaphoreSlim(0);
        watcher.Renamed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        while (true)
        {
            var record = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(path, cancellationToken), RunJson.Wire.RunRecord)!;
            if (condition(record))
            {
                return record;
            }

            await changed.WaitAsync(TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    public Task<RunRecord> UntilTerminalAsync(RunId runId, CancellationToken cancellationToken) => UntilAsync(runId, record => record.State.IsTerminal(), cancellationToken);

    /// <summary>Nothing of any run is left on this machine: no marker, no attempt directory, no workspace, no process.</summary>
    public async Task AssertNothingLeftAsync(CancellationToken cancellationToken)
    {
        await WaitAsync(() => Files("active").Length == 0 && Leftovers().Length == 0, cancellationToken);
        Assert.Empty(Files("active"));
        Assert.Empty(Leftovers());
        foreach (var worker in _workers)
        {
            await worker.KillAsync();
        }

        await ProcessTable.AssertNoneAsync(_directory.Path, cancellationToken);
    }

    /// <summary>Distinct ids of completion events on the queue oz-events.</summary>
    public string[] CompletionIds() =>
        [.. Directory.EnumerateFiles(Path.Join(Data, "queues", "oz-events"), "*", SearchOption.AllDirectories)
            .Select(ReadEventId).OfType<string>().Where(id => id.EndsWith(":completed", StringComparison.Ordinal)).Distinct().Order()];

    public string[] Files(string prefix) =>
        Directory.Exists(Path.Join(Data, "ozfunctions", prefix)) ? Directory.GetFiles(Path.Join(Data, "ozfunctions", prefix), "*", SearchOption.AllDirectories) : [];

    /// <summary>The delivery log, read from its files.</summary>
    public Task<IReadOnlyList<PublisherDeliveryText>> DeliveriesAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var found = new List<PublisherDeliveryText>();
        foreach (var path in Files("deliveries/out"))
        {
            var delivery = JsonSerializer.Deserialize(File.ReadAllBytes(path), Events.EventDeliveryJson.Wire.EventDelivery)!;
            found.AddRange(delivery.Publishers.Select(one => new PublisherDeliveryText(one.Publisher, one.State.ToString().ToLowerInvariant(), one.Message ?? "")));
        }

        return Task.FromResult<IReadOnlyList<PublisherDeliveryText>>(found);
    }

    /// <summary>For ends that send no signal to this process: looks until it is so.</summary>
    public static async Task<T> UntilAsync<T>(Func<Task<T>> look, Func<T, bool> condition, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await look() is var seen && condition(seen))
            {
                return seen;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        }
    }

    public RunRecord ReadRecord(RunId runId) => JsonSerializer.Deserialize(File.ReadAllBytes(Path.Join(Data, "ozfunctions", RunBlobs.Record(runId))), RunJson.Wire.RunRecord)!;

    /// <summary>Living shims of this machine's attempts.</summary>
    public IReadOnlyList<ProcessTable.Entry> Shims() =>
        [.. ProcessTable.All().Where(process => !process.IsZombie && process.CommandLine.Contains("ozf-shim", StringComparison.Ordinal) && process.CommandLine.Contains(Workspaces, StringComparison.Ordinal))];

    /// <summary>The check of all that is left here. Agents and teardowns that want to be counted write a line to <c>$MARKS/[teardown-]RUN_ID.ATTEMPT</c>.</summary>
    public GuaranteeCheck Check(IReadOnlyCollection<RunId> accepted) => new()
    {
        Store = StoreSnapshot.OfDirectory(Path.Join(Data, "ozfunctions")),
        Accepted = accepted,
        CompletionIds = CompletionIds(),
        Executions = CountMarks(""),
        Teardowns = CountMarks("teardown-"),
        Directories = Leftovers(),
    };

    public string[] MarksOf(RunId runId) => Directory.GetFiles(Marks, runId.Value + "*");

    public static async Task WaitAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        // For ends that send no signal to this process: directories that other processes remove. A tick looks at what a killed host still owed when that is a minute old, and comes every 12 s.
        var began = TimeProvider.System.GetTimestamp();
        while (!condition() && TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(2))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
        {
            await worker.DisposeAsync();
        }

        foreach (var left in ProcessTable.WithTag(_directory.Path))
        {
            Signals.Send(left.Id, 9);
        }

        _directory.Dispose();
    }

    /// <summary>Workspaces and attempt directories; the installed shim is no leftover.</summary>
    public string[] Leftovers() => Directory.Exists(Workspaces)
        ? [.. Directory.GetFileSystemEntries(Workspaces).Where(entry => Path.GetFileName(entry) != ".ozf"),
            .. Directory.Exists(Path.Join(Workspaces, ".ozf")) ? Directory.GetFileSystemEntries(Path.Join(Workspaces, ".ozf")).Where(entry => Path.GetFileName(entry) != "bin") : []]
        : [];

    /// <summary>Nothing of who runs the tests.</summary>
    public static readonly Dictionary<string, string?> Clean = new() { ["OZF_DATA"] = null, ["OZF_CONFIG"] = null, ["OZF_STORAGE"] = null, ["WARP_API_KEY"] = null };

    private static Dictionary<string, string?> With(IReadOnlyDictionary<string, string?> environment)
    {
        var all = new Dictionary<string, string?>(Clean);
        foreach (var (name, value) in environment)
        {
            all[name] = value;
        }

        return all;
    }

    private (string Program, string[] Arguments) AsUser(string[] arguments)
    {
        var ozf = Path.Join(Product, "ozf");
        return _who == RunsAs.Ordinary ? (SetPrivileges, ["--reuid=" + Nobody, "--regid=" + Nobody, "--clear-groups", "--", ozf, .. arguments]) : (ozf, arguments);
    }

    private static void GiveAway(string directory)
    {
        using var chown = System.Diagnostics.Process.Start("/bin/chown", ["-R", $"{Nobody}:{Nobody}", directory]);
        chown.WaitForExit();
    }

    private Dictionary<string, int> CountMarks(string prefix) => Directory.EnumerateFiles(Marks)
        .Select(path => (Name: Path.GetFileName(path), Lines: File.ReadLines(path).Count()))
        .Where(mark => mark.Name.StartsWith(prefix, StringComparison.Ordinal) && RunId.TryParse(mark.Name[prefix.Length..].Split('.')[0], out _))
        .ToDictionary(mark => mark.Name[prefix.Length..], mark => mark.Lines);

    private static string Indent(string lines) => string.Join('\n', lines.Split('\n').Select(line => "    " + line));

    private static string? ReadEventId(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.TryGetProperty("id", out var id) ? id.GetString() : null;
        }
        catch (Exception ex) when (ex is JsonException or IOException)
        {
            return null;
        }
    }

    private TestProcess Keep(TestProcess worker)
    {
        _workers.Add(worker);
        return worker;
    }
}

/// <summary>Who hosts and commands are.</summary>
public enum RunsAs
{
    /// <summary>Whoever runs the tests.</summary>
    Tests,

    /// <summary>Both an ordinary user, to whom the directory belongs.</summary>
    Ordinary,

    /// <summary>The host is root, its commands are <c>nobody</c> (<c>backend.direct.user</c>).</summary>
    OtherAccount,
}

/// <summary>One line of the delivery log.</summary>
internal sealed record PublisherDeliveryText(string Publisher, string State, string Message);
