using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>An agent of the host's own account takes the host's rights on a file of the host; root would not notice.</summary>
public sealed class RefusedFileTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData("journal.ndjson", "400")]
    [InlineData("journal.ndjson", "000")]
    [InlineData("log.journal", "400")]
    [InlineData("log.journal", "000")]
    public async Task A_host_adopts_an_agent_that_took_its_rights_on_a_file(string file, string mode)
    {
        await using var machine = new OneMachine(
            $"echo x >>\"$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT\"; chmod {mode} \"$TMPDIR/../{file}\" && touch \"$MARKS/refused\"; while [ ! -e \"$MARKS/go\" ]; do sleep 0.05; done; echo done; exit 0",
            who: OneMachine.CanDropRights ? RunsAs.Ordinary : RunsAs.Tests);
        var host = machine.StartWorker();
        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        await OneMachine.WaitAsync(() => File.Exists(Path.Join(machine.Marks, "refused")), Cancellation);

        await host.KillAsync();
        machine.StartWorker();
        await machine.UntilAsync(runId, record => record.Owner!.Fence > 1, Cancellation);
        await File.WriteAllTextAsync(Path.Join(machine.Marks, "go"), "", Cancellation);
        var record = await machine.UntilTerminalAsync(runId, Cancellation);

        Assert.Equal((RunReason.Completed, 0, 1, 1), (record.Reason!.Value, record.CurrentAttempt!.ExitCode!.Value, record.Starts, record.Attempt));
        await machine.AssertNothingLeftAsync(Cancellation);
        (machine.Check([runId]) with { Teardowns = null }).AssertAllHold();
    }
}
