using System.Globalization;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>One <c>ozf exec</c> whose store fails at one of its first calls, and does or does not do what it was asked: it is one run all the same.</summary>
public sealed class ExecFaultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData(FaultKind.FailBefore)]
    [InlineData(FaultKind.FailAfter)]
    public async Task A_call_whose_first_writes_get_no_answer_is_one_run_with_the_agents_own_end(FaultKind kind)
    {
        var (kept, twice) = (0, 0);
        for (var step = 1; step <= 4; step++)
        {
            await using var machine = new OneMachine();
            var agent = machine["agent"];
            ShellAgent.Write(agent, $"echo worked; : > '{machine.Marks}'/$OZF_RUN_ID.$OZF_ATTEMPT; exit 5");
            var exec = machine.StartCrashing(string.Create(CultureInfo.InvariantCulture, $"{kind}:{step}"), ["exec", "--config-file", machine.Config, "--agent-command", agent]);
            Assert.Equal(5, await exec.WaitForExitAsync(Cancellation));
            var isKept = exec.Errors.Any(line => line.Contains("ozf sync", StringComparison.Ordinal));
            kept += isKept ? 1 : 0;
            twice += isKept && machine.Files("runs").Length == 1 ? 1 : 0;

            Assert.Equal(0, (await machine.OzfAsync(Cancellation, "sync", "--config-file", machine.Config)).ExitCode);

            var where = $"{kind} at step {step}";
            var record = Assert.Single(machine.Files("runs"));
            var run = machine.ReadRecord(RunBlobs.TryParseRecord("runs/" + Path.GetRelativePath(machine["data/ozfunctions/runs"], record), out var id) ? id : throw new InvalidOperationException(record));
            Assert.Equal((where, RunState.Failed, RunReason.AgentInvocation, 5), (where, run.State, run.Reason, run.CurrentAttempt!.ExitCode));
            Assert.Equal([$"{id}.1"], Directory.GetFiles(machine.Marks).Select(Path.GetFileName));
            Assert.Equal([$"{id}:1:completed"], machine.CompletionIds());
            Assert.Empty(machine.Files("active"));
        }

        // Some calls were kept here, and of some the record had come to be in the store as well.
        Assert.True(kept > 0);
        Assert.True(kind == FaultKind.FailBefore || twice > 0);
    }
}
