using OzFunctions.Runs;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>A run of the host's own, ordinary account takes the rights from its private directory: host, next host and removal work on all the same.</summary>
public sealed class TakenRightsTests
{
    private const string Agent = """
        private=${TMPDIR%/*}
        case $TAKE in
            directory) chmod 000 "$private" ;;
            spool) chmod 000 "$private/spool" "$private/hostlog" "$private" ;;
            everything) chmod 000 "$private"/*; chmod 000 "$private" ;;
        esac
        echo one
        touch "$MARKS/ready"
        while [ ! -e "$MARKS/go" ]; do sleep 0.05; done
        echo two
        exit 3
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 180_000)]
    [InlineData("directory", false)]
    [InlineData("directory", true)]
    [InlineData("spool", false)]
    [InlineData("everything", true)]
    public async Task A_run_that_takes_the_rights_from_its_private_directory_ends_as_any_other(string take, bool kill)
    {
        var who = OneMachine.CanDropRights ? RunsAs.Ordinary : RunsAs.Tests;
        await using var machine = new OneMachine(Agent, who: who);
        var host = machine.StartWorker();
        var run = await machine.RunAsync(Cancellation, "-p", "x", "--env", "TAKE=" + take, "--no-changes");
        await OneMachine.WaitAsync(() => File.Exists(Path.Join(machine.Marks, "ready")), Cancellation);
        if (kill)
        {
            await host.KillAsync();
            machine.StartWorker();
            await machine.UntilAsync(run, record => record.Owner!.Fence > 1, Cancellation);
        }

        await File.WriteAllTextAsync(Path.Join(machine.Marks, "go"), "", Cancellation);
        var record = await machine.UntilTerminalAsync(run, Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 3), (record.Reason!.Value, record.CurrentAttempt!.ExitCode!.Value));
        await machine.AssertNothingLeftAsync(Cancellation);
        var log = await File.ReadAllTextAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(run, 1)), Cancellation);
        Assert.Contains("\"m\":\"one\"", log, StringComparison.Ordinal);
        Assert.Contains("\"m\":\"two\"", log, StringComparison.Ordinal);
    }
}
