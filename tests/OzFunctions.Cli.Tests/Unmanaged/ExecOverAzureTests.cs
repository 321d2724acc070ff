using System.Text.Json;
using OzFunctions.AzureStorage;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary><c>ozf exec</c> whose store is an account of Azure Storage (Azurite), also one that stops answering while the agent runs.</summary>
public sealed class ExecOverAzureTests
{
    private const int Limit = 600_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Record_log_artifacts_changes_and_event_are_in_the_account_and_nothing_stays_here()
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var agent = rig.Script("agent.sh", """echo "working with $WARP_API_KEY"; echo kept > "$OZ_ARTIFACTS_DIR/notes.txt"; exit 3""");

        var exec = rig.Start(["exec", "--agent-command", agent, "--title", "over azure"], Environment(azurite));

        Assert.Equal(3, await exec.WaitForExitAsync(Cancellation));
        Assert.Equal(["working with wk-azure-secret-value"], exec.Output);
        Assert.Equal([], exec.Errors);
        var run = await LastRunAsync(rig, azurite);
        var id = run.GetProperty("run_id").GetString()!;
        var attempt = run.GetProperty("attempts")[0];
        Assert.Equal(("FAILED", 3, true), (run.GetProperty("state").GetString(), attempt.GetProperty("exit_code").GetInt32(), attempt.GetProperty("log").GetProperty("sealed").GetBoolean()));
        var log = await RunAsync(rig, azurite, "runs", "logs", "--raw", id);
        Assert.Contains("working with ***", log, StringComparison.Ordinal);
        Assert.DoesNotContain("wk-azure-secret-value", log, StringComparison.Ordinal);
        await RunAsync(rig, azurite, "runs", "artifacts", id, "--download", Path.Combine(rig.Place, "got"));
        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(rig.Place, "got", "notes.txt"), Cancellation));
        Assert.Contains($"{id}:1:completed", await RunAsync(rig, azurite, "events", "--output", "json"), StringComparison.Ordinal);
        var blobs = new AzureBlobStore(StorageAccount.Open(azurite.ConnectionString, new(), TimeProvider.System));
        Assert.Empty((await blobs.ListAsync("outbox/", null, 10, Cancellation)).Entries);
        Assert.Empty(LeftHere(rig));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task A_store_that_goes_away_in_the_middle_does_not_hold_the_agent_and_gets_the_whole_outcome_later()
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var (more, end) = (Path.Combine(rig.Place, "more"), Path.Combine(rig.Place, "end"));
        var agent = rig.Script("agent.sh", $$"""
            echo before
            while [ ! -e '{{more}}' ]; do sleep 0.05; done
            echo during
            echo kept > "$OZ_ARTIFACTS_DIR/notes.txt"
            while [ ! -e '{{end}}' ]; do sleep 0.05; done
            echo after
            exit 5
            """);
        var exec = rig.Start(["exec", "--agent-command", agent, "--result-file", "result.json"], Environment(azurite));
        await exec.WaitForLineAsync("before", Cancellation);

        azurite.Freeze();
        try
        {
            await File.WriteAllTextAsync(more, "", Cancellation);
            await exec.WaitForLineAsync("during", Cancellation);
            await File.WriteAllTextAsync(end, "", Cancellation);

            Assert.Equal(5, await exec.WaitForExitAsync(Cancellation));
        }
        finally
        {
            azurite.Thaw();
        }

        Assert.Equal(["before", "during", "after"], exec.Output);
        var result = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(rig.Place, "result.json"), Cancellation)).RootElement;
        Assert.Equal((5, true), (result.GetProperty("exit_code").GetInt32(), result.GetProperty("spooled").GetBoolean()));
        Assert.Contains(exec.Errors, line => line.Contains("the store went away", StringComparison.Ordinal) && line.Contains("ozf sync", StringComparison.Ordinal));
        Assert.Equal("INPROGRESS", (await LastRunAsync(rig, azurite)).GetProperty("state").GetString());
        Assert.NotEmpty(LeftHere(rig));

        await RunAsync(rig, azurite, "sync");

        var run = await LastRunAsync(rig, azurite);
        var id = run.GetProperty("run_id").GetString()!;
        var attempt = run.GetProperty("attempts")[0];
        Assert.Equal(id, result.GetProperty("run_id").GetString());
        Assert.Equal(("FAILED", "agent_invocation", 5), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString(), attempt.GetProperty("exit_code").GetInt32()));
        Assert.Equal((1, 1), (run.GetProperty("starts").GetInt32(), attempt.GetProperty("artifacts").GetProperty("count").GetInt32()));
        Assert.Equal(["before", "during", "after"], (await RunAsync(rig, azurite, "runs", "logs", id)).Split('\n').Where(line => !line.StartsWith("[host]", StringComparison.Ordinal)));
        Assert.Contains($"{id}:1:completed", await RunAsync(rig, azurite, "events", "--output", "json"), StringComparison.Ordinal);
        Assert.Empty(LeftHere(rig));
    }

    [Fact(Timeout = Limit)]
    public async Task A_data_directory_that_cannot_be_used_takes_nothing_from_a_store_elsewhere()
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        await File.WriteAllTextAsync(rig.Data, "in the way", Cancellation);

        var exec = rig.Start(["exec", "--agent-command", "sh -c 'echo worked; exit 5'"], Environment(azurite));

        Assert.Equal(5, await exec.WaitForExitAsync(Cancellation));
        Assert.Equal(["worked"], exec.Output);
        var warning = Assert.Single(exec.Errors);
        Assert.StartsWith($"warning: {Path.Combine(rig.Data, "exec")} cannot be made", warning, StringComparison.Ordinal);
        Assert.Contains("--data", warning, StringComparison.Ordinal);
        Assert.Equal("FAILED", (await LastRunAsync(rig, azurite)).GetProperty("state").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task A_configuration_in_a_store_that_is_away_is_the_one_last_read_here_and_without_one_nothing_runs()
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var document = await File.ReadAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), Cancellation) + "\npolicy: {agents: [echo]}\n";
        var blobs = new AzureBlobStore(StorageAccount.Open(azurite.ConnectionString, new(), TimeProvider.System));
        await blobs.PutAsync("config/ozf.yaml", System.Text.Encoding.UTF8.GetBytes(document), Cancellation);
        Task<(int Code, string Output, string Error)> ExecAsync(string agent) => CallAsync(rig, azurite, "exec", "--config-file", "blob:config/ozf.yaml", "--agent-command", agent);

        Assert.Equal((0, "one", ""), await ExecAsync("echo one"));
        var kept = Assert.Single(Directory.EnumerateFiles(rig.Data, "exec-config-*"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));
        Signals.Send(azurite.ProcessId, Signals.Kill);

        var away = await ExecAsync("echo two");
        Assert.Equal((0, "two"), (away.Code, away.Output));
        Assert.Contains($"the configuration is blob:config/ozf.yaml as it was last read here ({kept})", away.Error, StringComparison.Ordinal);
        var refused = await ExecAsync("printf three");
        Assert.Equal((1, ""), (refused.Code, refused.Output));
        Assert.Contains("does not run the agent printf", refused.Error, StringComparison.Ordinal);

        // What others may write binds nobody.
        File.SetUnixFileMode(kept, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        var nothing = await ExecAsync("echo four");
        Assert.Equal((69, ""), (nothing.Code, nothing.Output));
        Assert.Contains("no agent is started without it", nothing.Error, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_store_that_goes_away_before_the_agent_is_started_does_not_keep_it_from_running(bool comesBack)
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var (mark, end) = (Path.Combine(rig.Place, "mark"), Path.Combine(rig.Place, "end"));
        await File.AppendAllTextAsync(
            Path.Combine(rig.Place, "ozf.yaml"), $"\npolicy: {"{"}veto_command: \"touch {mark}; while [ ! -e {mark}.go ]; do sleep 0.05; done\"{"}"}\n", Cancellation);

        // Its log goes up in blocks, over what the store has of it; and Azure takes no name of so many directories.
        var agent = rig.Script("agent.sh", $"""
            echo worked
            head -c 6000000 /dev/zero | tr '\0' x | fold -w 6000
            deep="$OZ_ARTIFACTS_DIR/$(printf 'd/%.0s' $(seq 260))"
            mkdir -p "$deep"
            echo deep > "$deep/file"
            echo kept > "$OZ_ARTIFACTS_DIR/notes.txt"
            while [ ! -e '{end}' ]; do sleep 0.05; done
            exit 5
            """);
        var exec = rig.Start(["exec", "--agent-command", agent, "--result-file", "result.json"], Environment(azurite));
        while (!File.Exists(mark))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
            Assert.False(exec.HasExited, string.Join('\n', exec.Errors));
        }

        azurite.Freeze();
        try
        {
            await File.WriteAllTextAsync(mark + ".go", "", Cancellation);
            await exec.WaitForLineAsync("worked", Cancellation);
            if (comesBack)
            {
                azurite.Thaw();
            }

            await File.WriteAllTextAsync(end, "", Cancellation);
            Assert.Equal(5, await exec.WaitForExitAsync(Cancellation));
        }
        finally
        {
            azurite.Thaw();
        }

        Assert.Equal((1001, "worked"), (exec.Output.Count, exec.Output[0]));
        var warning = exec.Errors[0];
        Assert.Equal(comesBack ? ["The file d/d/"] : [], exec.Errors.Skip(1).Select(error => error[error.IndexOf("The file", StringComparison.Ordinal)..][..13]));
        Assert.Contains("the store cannot be reached (it went away before the agent was started)", warning, StringComparison.Ordinal);
        Assert.Contains("'ozf sync'", warning, StringComparison.Ordinal);
        var result = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(rig.Place, "result.json"), Cancellation)).RootElement;
        Assert.Equal((5, !comesBack), (result.GetProperty("exit_code").GetInt32(), result.TryGetProperty("spooled", out var spooled) && spooled.GetBoolean()));
        Assert.Equal(comesBack, result.GetProperty("log_url").GetString()!.StartsWith("http", StringComparison.Ordinal));
        var id = result.GetProperty("run_id").GetString()!;
        Assert.Equal(comesBack ? "" : id, await RunAsync(rig, azurite, "sync"));

        var run = await LastRunAsync(rig, azurite);
        Assert.Equal((id, "FAILED", "agent_invocation"), (run.GetProperty("run_id").GetString(), run.GetProperty("state").GetString(), run.GetProperty("reason").GetString()));
        Assert.Equal((1, 1, 5), (run.GetProperty("starts").GetInt32(), run.GetProperty("attempt").GetInt32(), run.GetProperty("attempts")[0].GetProperty("exit_code").GetInt32()));
        Assert.Contains("worked", await RunAsync(rig, azurite, "runs", "logs", id), StringComparison.Ordinal);
        await RunAsync(rig, azurite, "runs", "artifacts", id, "--download", Path.Combine(rig.Place, "got"));
        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(rig.Place, "got", "notes.txt"), Cancellation));
        var artifacts = run.GetProperty("attempts")[0].GetProperty("artifacts");
        Assert.Equal((1, 1), (artifacts.GetProperty("count").GetInt32(), artifacts.GetProperty("left_out").GetInt32()));
        Assert.Single((await RunAsync(rig, azurite, "events", "--output", "json")).Split('\n'), line => line.Contains($"{id}:1:completed", StringComparison.Ordinal));
        Assert.Empty(LeftHere(rig));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public Task A_refusal_does_not_wait_for_a_store_that_went_away() => IsLetGoAsync(
        "echo never",
        asked => $"\npolicy: {"{"}veto_command: \"touch {asked}; while [ ! -e {asked}.go ]; do sleep 0.05; done; echo not today; exit 1\"{"}"}\n",
        (_, asked) => File.WriteAllText(asked + ".go", ""),
        (1, "FAILED", "policy_refused"),
        "not today");

    [Fact(Timeout = Limit)]
    public Task A_lost_supervisor_does_not_wait_for_a_store_that_went_away() => IsLetGoAsync(
        "touch $MARK; exec sleep 600",
        _ => "",
        (rig, _) => ProcessTable.WithTag(rig.Data).Where(process => process.CommandLine.Contains("ozf-shim", StringComparison.Ordinal)).ToList().ForEach(shim => Signals.Send(shim.Id, Signals.Kill)),
        (70, "ERROR", "host_lost"),
        "ozf sync");

    /// <summary>An end that comes while the store is frozen and not of the agent's own accord: the caller is told it, and the record gets it later.</summary>
    private static async Task IsLetGoAsync(string agent, Func<string, string> configuration, Action<OzfProcessRig, string> end, (int Code, string State, string Reason) expected, string said)
    {
        await using var azurite = await AzuriteProcess.StartAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var mark = Path.Combine(rig.Place, "mark");
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), configuration(mark), Cancellation);
        var environment = Environment(azurite);
        environment["MARK"] = mark;
        var exec = rig.Start(["exec", "--agent-command", rig.Script("agent.sh", agent), "--result-file", "result.json"], environment);
        while (!File.Exists(mark))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
            Assert.False(exec.HasExited, string.Join('\n', exec.Errors));
        }

        azurite.Freeze();
        try
        {
            end(rig, mark);
            Assert.Equal(expected.Code, await exec.WaitForExitAsync(Cancellation));
        }
        finally
        {
            azurite.Thaw();
        }

        Assert.Contains(exec.Errors, line => line.Contains(said, StringComparison.Ordinal));
        var result = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(rig.Place, "result.json"), Cancellation)).RootElement;
        Assert.Equal((expected.State, expected.Reason, true), (result.GetProperty("state").GetString(), result.GetProperty("reason").GetString(), result.GetProperty("spooled").GetBoolean()));
        Assert.NotEmpty(LeftHere(rig));

        await RunAsync(rig, azurite, "sync");

        var run = await LastRunAsync(rig, azurite);
        Assert.Equal((expected.State, expected.Reason), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString()));
        Assert.Empty(LeftHere(rig));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    private static Dictionary<string, string?> Environment(AzuriteProcess azurite) =>
        new() { ["OZF_STORAGE"] = azurite.ConnectionString, ["WARP_API_KEY"] = "wk-azure-secret-value" };

    private static async Task<string> RunAsync(OzfProcessRig rig, AzuriteProcess azurite, params string[] args)
    {
        var (code, output, error) = await CallAsync(rig, azurite, args);
        Assert.True(code == 0, error);
        return output;
    }

    private static async Task<(int Code, string Output, string Error)> CallAsync(OzfProcessRig rig, AzuriteProcess azurite, params string[] args)
    {
        var process = rig.Start(args, Environment(azurite));
        process.Input.Close();
        var code = await process.WaitForExitAsync(Cancellation);
        return (code, string.Join('\n', process.Output), string.Join('\n', process.Errors));
    }

    private static async Task<JsonElement> LastRunAsync(OzfProcessRig rig, AzuriteProcess azurite)
    {
        var id = JsonDocument.Parse(await RunAsync(rig, azurite, "runs", "list", "--output", "json")).RootElement.GetProperty("runs")[0].GetProperty("run_id").GetString()!;
        return JsonDocument.Parse(await RunAsync(rig, azurite, "runs", "get", id, "--output", "json")).RootElement;
    }

    /// <summary>Attempts of which this machine still holds something.</summary>
    private static IEnumerable<string> LeftHere(OzfProcessRig rig) =>
        Directory.EnumerateDirectories(Path.Combine(rig.Data, "exec", ".ozf")).Where(path => Path.GetFileName(path) != "bin");
}
