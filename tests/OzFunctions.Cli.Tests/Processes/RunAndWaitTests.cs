using System.Text.Json;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Processes;

/// <summary>A worker host and the commands around it as processes of their own.</summary>
public sealed class RunAndWaitTests
{
    private const int Limit = 600_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_waiting_call_shows_the_log_and_ends_as_the_agent_did()
    {
        await using var rig = new OzfProcessRig();
        var worker = rig.Start("worker");

        var good = await rig.RunAsync("run", "--wait", "-p", "fake:say all is well");
        var bad = await rig.RunAsync("run", "--wait", "-p", "fake:stderr it broke; exit 7");
        var shot = await rig.RunAsync("run", "--wait", "-p", "fake:signal KILL");
        var late = await rig.RunAsync("run", "--wait", "-p", "fake:hang", "--timeout", "1s");

        Assert.Equal(0, good.ExitCode);
        Assert.Contains("all is well", good.Output, StringComparison.Ordinal);
        Assert.Contains("SUCCEEDED (completed)", good.Error, StringComparison.Ordinal);
        Assert.Equal(7, bad.ExitCode);
        Assert.Contains("it broke", bad.Output, StringComparison.Ordinal);
        Assert.Equal(137, shot.ExitCode);
        Assert.Equal(1, late.ExitCode);
        Assert.Contains("task_timeout", late.Error, StringComparison.Ordinal);

        worker.Signal(Signals.Terminate);
        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task For_programs_stdout_holds_the_answer_and_nothing_else()
    {
        await using var rig = new OzfProcessRig();
        rig.Start("worker");

        var answer = await rig.RunAsync("run", "--wait", "--output", "json", "-p", "fake:say all is well");

        Assert.Equal(0, answer.ExitCode);
        Assert.True(JsonDocument.Parse(answer.Output).RootElement.GetProperty("created").GetBoolean());
        Assert.Contains("all is well", answer.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Leaving_leaves_the_run_alone_and_a_cancel_ends_who_waits()
    {
        await using var rig = new OzfProcessRig();
        rig.Start("worker");
        var waiting = rig.Start("run", "--wait", "-p", "fake:hang");
        await waiting.WaitForLineAsync("ready", Cancellation);
        var id = waiting.Output[0];

        waiting.Signal(Signals.Interrupt);
        Assert.Equal(75, await waiting.WaitForExitAsync(Cancellation));
        Assert.Contains(waiting.Errors, line => line.Contains($"ozf runs logs -f {id}", StringComparison.Ordinal));
        Assert.Equal("INPROGRESS", (await rig.GetAsync(id)).GetProperty("state").GetString());

        var again = await rig.RunAsync("run", "--wait-timeout", "1s", "-p", "fake:hang");
        Assert.Equal(75, again.ExitCode);

        var third = rig.Start("run", "--wait", "-p", "fake:hang");
        await third.WaitForLineAsync("ready", Cancellation);
        Assert.Equal(0, (await rig.RunAsync("runs", "cancel", "--all")).ExitCode);
        Assert.Equal(130, await third.WaitForExitAsync(Cancellation));
        await rig.FollowAsync(id);
        Assert.Equal("CANCELLED", (await rig.GetAsync(id)).GetProperty("state").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task A_queue_message_becomes_a_run_with_log_artifacts_and_event()
    {
        await using var rig = new OzfProcessRig();
        rig.Start("worker", "--consume-requests", "--log-format", "json");
        var message = Path.Combine(rig.Place, "message.json");
        await File.WriteAllTextAsync(message, """{"prompt":"fake:say from the queue; artifact notes.txt kept for later","title":"queued"}""", Cancellation);

        Assert.Equal(0, (await rig.RunAsync("queue", "send", "--file", message)).ExitCode);
        var events = rig.Start("events", "-f", "--output", "json");
        var completed = JsonDocument.Parse(await events.WaitForLineAsync("completed.v1", Cancellation)).RootElement.GetProperty("data");

        var id = completed.GetProperty("run_id").GetString()!;
        Assert.Equal(("SUCCEEDED", "queued"), (completed.GetProperty("state").GetString(), completed.GetProperty("title").GetString()));
        Assert.Contains("from the queue", await rig.FollowAsync(id), StringComparison.Ordinal);
        var raw = await rig.RunAsync("runs", "logs", "--raw", id);
        Assert.All(raw.Output.Split('\n'), (line, index) => Assert.Equal(index + 1, JsonDocument.Parse(line).RootElement.GetProperty("n").GetInt32()));
        var download = Path.Combine(rig.Place, "download");
        Assert.Equal(0, (await rig.RunAsync("runs", "artifacts", id, "--download", download)).ExitCode);
        Assert.Equal("kept for later", (await File.ReadAllTextAsync(Path.Combine(download, "notes.txt"), Cancellation)).Trim());
        var link = await rig.RunAsync("runs", "artifacts", id, "--link", "1h");
        Assert.Equal((64, "", true), (link.ExitCode, link.Output, link.Error.Contains("--link: this store makes no such addresses", StringComparison.Ordinal)));
        Assert.Equal(64, (await rig.RunAsync("runs", "artifacts", id, "--link", "7d")).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_worker_for_one_run_takes_one_and_ends()
    {
        await using var rig = new OzfProcessRig();
        var (first, second) = (await rig.SubmitAsync("say one"), await rig.SubmitAsync("say two"));

        var worker = rig.Start("worker", "--once");

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        Assert.Equal("SUCCEEDED", (await rig.GetAsync(first)).GetProperty("state").GetString());
        Assert.Equal("QUEUED", (await rig.GetAsync(second)).GetProperty("state").GetString());
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task A_detached_worker_leaves_its_agent_to_the_next_one()
    {
        await using var rig = new OzfProcessRig();
        var release = Path.Combine(rig.Place, "release");
        var first = rig.Start("worker", "--on-sigterm", "detach");
        var waiting = rig.Start("run", "--wait", "-p", $"fake:say before; wait-file {release}; say after; exit 3");
        await waiting.WaitForLineAsync("before", Cancellation);

        first.Signal(Signals.Terminate);
        Assert.Equal(0, await first.WaitForExitAsync(Cancellation));
        rig.Start("worker");
        await File.WriteAllTextAsync(release, "", Cancellation);

        Assert.Equal(3, await waiting.WaitForExitAsync(Cancellation));
        Assert.Single(waiting.Output, line => line == "after");
        Assert.Equal(1, (await rig.GetAsync(waiting.Output[0])).GetProperty("attempt").GetInt32());
    }

    [Fact(Timeout = Limit)]
    public async Task A_second_signal_stops_runs_now()
    {
        await using var rig = new OzfProcessRig();
        var worker = rig.Start("worker");
        var waiting = rig.Start("run", "--wait", "-p", "fake:hang");
        await waiting.WaitForLineAsync("ready", Cancellation);

        worker.Signal(Signals.Terminate);
        await WaitForErrorAsync(worker, "Stopping: 1 run(s) may finish", Cancellation);
        worker.Signal(Signals.Terminate);

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        Assert.Equal(70, await waiting.WaitForExitAsync(Cancellation));
        Assert.Equal("graceful_shutdown", (await rig.GetAsync(waiting.Output[0])).GetProperty("reason").GetString());
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task The_demo_shows_the_whole_job_and_leaves_nothing_behind()
    {
        await using var rig = new OzfProcessRig();

        var demo = rig.Start(["demo"], new() { ["DEMO_STEP_SECONDS"] = "0", ["OZF_CONFIG"] = "/nonexistent/broken.yaml", ["OZF_STORAGE"] = "none" });
        demo.Input.Close();
        var code = await demo.WaitForExitAsync(Cancellation);

        var shown = string.Join('\n', demo.Output);
        Assert.True(code == 0, shown + string.Join('\n', demo.Errors));
        foreach (var part in (string[])["SUCCEEDED (completed)", "changes.patch", "+## Changed by the demo agent", "io.ozfunctions.run.completed.v1", "That is the whole job."])
        {
            Assert.Contains(part, shown, StringComparison.Ordinal);
        }

        AssertThreeWays(demo.Output);

        Assert.DoesNotContain("\u001b", shown, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(rig.Place, "tmp")));
        Assert.False(Directory.Exists(rig.Data));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = 3 * Limit)]
    public async Task The_demo_on_an_emulator_of_azure_storage_shows_the_same_and_leaves_nothing_behind()
    {
        await Testing.Azurite.TestPackages.RequireAsync(Cancellation);
        await using var rig = new OzfProcessRig();

        var demo = rig.Start(["demo", "--azurite"], new() { ["DEMO_STEP_SECONDS"] = "0", ["OZF_CONFIG"] = "" });
        demo.Input.Close();
        var code = await demo.WaitForExitAsync(Cancellation);

        var shown = string.Join('\n', demo.Output);
        Assert.True(code == 0, shown + string.Join('\n', demo.Errors));
        Assert.Contains("That is the whole job.", shown, StringComparison.Ordinal);
        Assert.Contains("changes.patch", shown, StringComparison.Ordinal);
        AssertThreeWays(demo.Output);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(rig.Place, "tmp")));
        Assert.False(Directory.Exists(rig.Data));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = 3 * Limit)]
    public async Task The_emulator_of_a_demo_that_is_killed_ends_with_it()
    {
        await Testing.Azurite.TestPackages.RequireAsync(Cancellation);
        await using var rig = new OzfProcessRig();
        var demo = rig.Start(["demo", "--azurite"], new() { ["OZF_CONFIG"] = "" });
        await demo.WaitForLineAsync(line => line.Contains("A run request", StringComparison.Ordinal), Cancellation);
        var emulator = Assert.Single(ProcessTable.All(), process => process.ParentId == demo.Id && process.CommandLine.Contains("azurite.js", StringComparison.Ordinal));
        try
        {
            using var ending = System.Diagnostics.Process.GetProcessById(emulator.Id);

            demo.Signal(Signals.Kill);

            await ending.WaitForExitAsync(Cancellation);
        }
        finally
        {
            if (ProcessTable.Find(emulator.Id)?.CommandLine == emulator.CommandLine)
            {
                Signals.Send(emulator.Id, Signals.Kill);
            }
        }
    }

    /// <summary>One delivery and its repeat started one run, a forged one none, and a time of a schedule one: all three runs of the demo succeeded.</summary>
    private static void AssertThreeWays(IReadOnlyList<string> shown)
    {
        var answers = shown.Where(line => line.StartsWith("202 {", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, answers.Count);
        Assert.Contains("\"created\":true", answers[0], StringComparison.Ordinal);
        Assert.Contains("\"created\":false", answers[1], StringComparison.Ordinal);
        Assert.Single(shown, line => line.StartsWith("401 {", StringComparison.Ordinal));
        var runs = shown.Where(line => line.Contains(" SUCCEEDED  ", StringComparison.Ordinal)).Select(line => line.Split("SUCCEEDED")[1].Trim().Split(' ')[0]);
        Assert.Equal(["queue", "webhook", "schedule"], runs);
    }

    [Fact(Timeout = Limit)]
    public async Task A_demo_that_is_interrupted_cleans_up()
    {
        await using var rig = new OzfProcessRig();
        var demo = rig.Start(["demo"], new() { ["OZF_CONFIG"] = "" });
        await demo.WaitForLineAsync("I am asked", Cancellation);

        demo.Signal(Signals.Interrupt);

        Assert.Equal(130, await demo.WaitForExitAsync(Cancellation));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(rig.Place, "tmp")));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    /// <summary>A host's log is on its standard error, which has no line to wait for.</summary>
    private static async Task WaitForErrorAsync(TestProcess process, string text, CancellationToken cancellationToken)
    {
        while (!process.Errors.Any(line => line.Contains(text, StringComparison.Ordinal)))
        {
            Assert.False(process.HasExited, string.Join('\n', process.Errors));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancellationToken);
        }
    }
}
