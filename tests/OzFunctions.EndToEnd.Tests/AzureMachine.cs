using System.Text.Json;
using OzFunctions.AzureStorage;
using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>A machine whose <c>ozf</c> processes work on a storage account of the test's own. Disposing ends what is left of it.</summary>
internal sealed class AzureMachine : IAsyncDisposable
{
    private static readonly string Here = AppContext.BaseDirectory;

    private readonly TempDirectory _directory = new();
    private readonly List<TestProcess> _processes = [];
    private readonly string _connection;

    /// <param name="connection">Of the account.</param>
    /// <param name="agent">What stands in for <c>oz</c>: a script for the shell.</param>
    /// <param name="direct">One more setting of the backend; its value may be a script of <c>$MARKS</c>.</param>
    public AzureMachine(string connection, string agent, string? direct = null)
    {
        _connection = connection;
        Account = StorageAccount.Open(connection, new(), TimeProvider.System);
        Blobs = new AzureBlobStore(Account);
        Records = new(Blobs, TimeProvider.System);
        var path = _directory["oz"];
        ShellAgent.Write(path, agent);
        File.WriteAllText(Config, $"""
            worker_id: local
            max_concurrent_tasks: 2
            backend:
              direct:
                workspace_root: {_directory["workspaces"]}
                oz_path: {path}
                environment:
                  - name: MARKS
                    value: {_directory.Create("marks")}
                {direct}
            """);
    }

    public StorageAccount Account { get; }

    public AzureBlobStore Blobs { get; }

    public RunRecords Records { get; }

    public string Marks => _directory["marks"];

    public string Config => _directory["ozf.yaml"];

    public string this[string name] => _directory[name];

    public Dictionary<string, string?> Environment => new()
    {
        ["OZF_DATA"] = _directory["data"],
        ["OZF_CONFIG"] = Config,
        ["OZF_STORAGE"] = _connection,
        ["WARP_API_KEY"] = null,
        ["HOME"] = _directory.Path,
    };

    public Task<(int ExitCode, string Output, string Errors)> OzfAsync(CancellationToken cancellationToken, params string[] arguments) =>
        TestProcess.RunAsync(Path.Join(Here, "ozf"), arguments, cancellationToken, Environment);

    /// <summary>The same, which must succeed.</summary>
    public async Task<string> SucceedAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var (exitCode, output, errors) = await OzfAsync(cancellationToken, arguments);
        Assert.True(exitCode == 0, $"ozf {string.Join(' ', arguments)} exited {exitCode}: {errors}");
        return output;
    }

    public TestProcess StartWorker(params string[] arguments) => Start(["worker", .. arguments]);

    public TestProcess Start(params string[] arguments) => Keep(TestProcess.Start(Path.Join(Here, "ozf"), arguments, Environment));

    public TestProcess StartCrashing(string step, params string[] arguments) => Keep(TestProcess.Start(Path.Join(Here, "OzFunctions.CrashHost"), [step, .. arguments], Environment));

    public Task<(int ExitCode, string Output, string Errors)> ForeignAsync(CancellationToken cancellationToken, params string[] arguments) =>
        TestPackages.RunAsync("storage.mjs", arguments, cancellationToken, new Dictionary<string, string?> { ["STORAGE"] = _connection });

    public async Task<RunRecord> UntilTerminalAsync(RunId runId, CancellationToken cancellationToken) =>
        (await OneMachine.UntilAsync(() => Records.FindAsync(runId, cancellationToken), run => run?.Record.State.IsTerminal() == true, cancellationToken))!.Record;

    public async Task<List<string>> NamesAsync(string prefix, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        await foreach (var entry in Blobs.ListAllAsync(prefix, cancellationToken))
        {
            names.Add(entry.Name);
        }

        return names;
    }

    /// <summary>Attempt directories that are there.</summary>
    public IReadOnlyList<string> AttemptDirectories() => Directory.Exists(_directory["workspaces/.ozf"])
        ? [.. Directory.GetDirectories(_directory["workspaces/.ozf"]).Where(path => Path.GetFileName(path) != "bin")]
        : [];

    /// <summary>No marker, no entry, no workspace, no attempt directory.</summary>
    public async Task AssertNothingLeftAsync(CancellationToken cancellationToken)
    {
        await OneMachine.UntilAsync(() => NamesAsync("active/", cancellationToken), names => names.Count == 0, cancellationToken);
        Assert.Empty(await NamesAsync("ready/", cancellationToken));

        // A host that was second at a claim removes its directory when it hears so, which may be after the run's end.
        var workspaces = _directory["workspaces"];
        await OneMachine.WaitAsync(() => Directory.GetFileSystemEntries(workspaces).Length == 1 && Directory.GetFileSystemEntries(Path.Join(workspaces, ".ozf")).Length == 1, cancellationToken);
        Assert.Equal([".ozf"], Directory.GetFileSystemEntries(workspaces).Select(Path.GetFileName));
        Assert.Equal(["bin"], Directory.GetFileSystemEntries(Path.Join(workspaces, ".ozf")).Select(Path.GetFileName));
        foreach (var process in _processes)
        {
            await process.KillAsync();
        }

        await ProcessTable.AssertNoneAsync(_directory.Path, cancellationToken);
    }

    /// <summary>Takes what is on <c>oz-events</c>, by a foreign client.</summary>
    public async Task<IReadOnlyList<JsonElement>> TakeEventsAsync(CancellationToken cancellationToken)
    {
        var (exitCode, output, errors) = await ForeignAsync(cancellationToken, "events");
        Assert.True(exitCode == 0, errors);
        using var document = JsonDocument.Parse(output);
        return [.. document.RootElement.EnumerateArray().Select(one => one.Clone())];
    }

    /// <summary>The same by a client of ours, which makes no process.</summary>
    public async Task<IReadOnlyList<string>> TakeEventIdsAsync(CancellationToken cancellationToken)
    {
        var queue = new AzureRequestQueue(Account, StorageNames.Events);
        var ids = new List<string>();
        while (await queue.ReceiveAsync(TimeSpan.FromMinutes(5), TimeSpan.Zero, cancellationToken) is { } message)
        {
            using var document = JsonDocument.Parse(message.Body);
            ids.Add(document.RootElement.GetProperty("id").GetString()!);
        }

        return ids;
    }

    private TestProcess Keep(TestProcess process)
    {
        _processes.Add(process);
        return process;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
        {
            await process.DisposeAsync();
        }

        foreach (var left in ProcessTable.WithTag(_directory.Path))
        {
            Signals.Send(left.Id, 9);
        }

        _directory.Dispose();
    }
}
