using System.Text.Json;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Processes;

/// <summary>Real <c>ozf</c> processes over one data directory, with <c>fake-oz</c> as the agent.</summary>
internal sealed class OzfProcessRig : IAsyncDisposable
{
    private readonly TempDirectory _place = new();
    private readonly List<TestProcess> _started = [];

    public OzfProcessRig(string direct = "")
    {
        File.WriteAllText(_place["ozf.yaml"], $"""
            worker_id: local
            max_concurrent_tasks: 4
            limits: {"{disk_free: 1MiB, inodes_free: 1, memory_free: 0}"}
            backend:
              direct:
                oz_path: {Path.Combine(AppContext.BaseDirectory, "fake-oz")}
                workspace_root: {_place["ws"]}
                private_home: true
                stop_grace: 2s
            {direct}
            """);
    }

    public string Place => _place.Path;

    public string Data => _place["data"];

    /// <summary>The <c>ozf</c> that is started.</summary>
    public string Program { get; init; } = Path.Combine(AppContext.BaseDirectory, "ozf");

    public TestProcess Start(params string[] args) => Start(args, []);

    public TestProcess Start(string[] args, Dictionary<string, string?> environment)
    {
        environment["OZF_DATA"] = Data;
        environment["HOME"] = _place.Path;
        environment["TMPDIR"] = _place.Create("tmp");
        environment["OZF_CONFIG"] = environment.GetValueOrDefault("OZF_CONFIG") ?? _place["ozf.yaml"];
        environment["NO_COLOR"] = "1";
        var process = TestProcess.Start(Program, args, environment, _place.Path);
        _started.Add(process);
        return process;
    }

    public async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] args)
    {
        var process = Start(args);
        process.Input.Close();
        var code = await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (code, string.Join('\n', process.Output), string.Join('\n', process.Errors));
    }

    /// <summary>Submits a run with verbs of <c>fake-oz</c>; answers its id.</summary>
    public async Task<string> SubmitAsync(string verbs, params string[] flags)
    {
        var (code, output, error) = await RunAsync(["run", "-p", "fake:" + verbs, .. flags]);
        Assert.True(code == 0, error);
        return output;
    }

    public async Task<JsonElement> GetAsync(string id)
    {
        var (code, output, error) = await RunAsync("runs", "get", id, "--output", "json");
        Assert.True(code == 0, error);
        return JsonDocument.Parse(output).RootElement;
    }

    /// <summary>Follows the log until the run is over.</summary>
    public async Task<string> FollowAsync(string id)
    {
        var (code, output, error) = await RunAsync("runs", "logs", "-f", id);
        Assert.True(code == 0, error);
        return output;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _started)
        {
            await process.DisposeAsync();
        }

        // Whatever a host left is ended by its shim; a test that leaves something itself has said so before.
        foreach (var left in ProcessTable.WithTag(_place.Path))
        {
            Signals.Send(left.Id, Signals.Kill);
        }

        _place.Dispose();
    }
}
