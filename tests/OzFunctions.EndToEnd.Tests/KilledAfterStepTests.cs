using OzFunctions.Runs;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Guarantee 4 with real processes: a host kills itself with SIGKILL right after a step; the next host of the machine brings the run to its one end.</summary>
public sealed class KilledAfterStepTests
{
    // Writes a mark at its start, works a moment, says so, and fails when it is started a second time.
    private const string Agent = """
        mark="$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT"
        [ -e "$mark" ] && exit 9
        : > "$mark"
        for i in 1 2 3 4 5; do echo "line $i"; sleep 0.1; done
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData("C4")]
    [InlineData("C5")]
    [InlineData("C6")]
    [InlineData("C7")]
    [InlineData("C8")]
    [InlineData("C9")]
    [InlineData("C10")]
    [InlineData("S1")]
    [InlineData("S2")]
    [InlineData("S3")]
    [InlineData("S4")]
    [InlineData("S5")]
    [InlineData("S6")]
    [InlineData("S7")]
    [InlineData("S8")]
    public async Task A_host_killed_after_the_step_costs_nothing(string step)
    {
        await using var machine = new OneMachine(Agent, direct: "teardown_command: 'echo torn >> \"$MARKS/teardown\"'");
        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        var dying = machine.StartCrashing(step, "worker", "--config-file", machine.Config);
        Assert.Equal(137, await dying.WaitForExitAsync(Cancellation));

        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal((RunState.Succeeded, RunReason.Completed), (record.State, record.Reason!.Value));
        Assert.Equal(1, record.Starts);
        Assert.Single(machine.MarksOf(runId));
        Assert.Equal(0, record.CurrentAttempt!.ExitCode);
        Assert.Single(await File.ReadAllLinesAsync(machine["marks/teardown"], Cancellation));
        Assert.Equal([$"{runId}:{record.Attempt}:completed"], machine.CompletionIds());
        await AssertLogAsync(machine, record);
    }

    [Theory(Timeout = 600_000)]
    [InlineData("I3", 0)]
    [InlineData("I4", 1)]
    [InlineData("I5", 1)]
    [InlineData("I6", 1)]
    public async Task A_submitter_killed_after_the_step_leaves_a_whole_run_or_none_and_the_repeat_makes_it_one(string step, int records)
    {
        await using var machine = new OneMachine(Agent);
        var submitter = machine.StartCrashing(step, "run", "-p", "x", "--idempotency-key", "k");
        Assert.Equal(137, await submitter.WaitForExitAsync(Cancellation));
        Assert.Equal(records, machine.Files("runs").Length);

        var runId = await machine.RunAsync(Cancellation, "-p", "x", "--idempotency-key", "k");
        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal(RunState.Succeeded, record.State);
        Assert.Single(machine.Files("runs"));
        Assert.Single(machine.CompletionIds());
    }

    /// <summary>No line is lost or doubled, and the seal is true.</summary>
    private static async Task AssertLogAsync(OneMachine machine, RunRecord record)
    {
        var log = await File.ReadAllBytesAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(record.RunId, record.Attempt)), Cancellation);
        var summary = record.CurrentAttempt!.Log!;
        var lines = System.Text.Encoding.UTF8.GetString(log).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal((summary.Bytes, summary.Lines, true), (log.Length, lines.Length, summary.Sealed));
        Assert.Equal(summary.Sha256, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(log)));
        Assert.Equal(["line 1", "line 2", "line 3", "line 4", "line 5"], lines.Where(line => line.Contains("\"s\":\"out\"", StringComparison.Ordinal)).Select(MessageOf));
        Assert.Equal(Enumerable.Range(1, lines.Length), lines.Select(NumberOf));
    }

    private static string MessageOf(string line)
    {
        using var json = System.Text.Json.JsonDocument.Parse(line);
        return json.RootElement.GetProperty("m").GetString()!;
    }

    private static int NumberOf(string line)
    {
        using var json = System.Text.Json.JsonDocument.Parse(line);
        return json.RootElement.GetProperty("n").GetInt32();
    }
}
