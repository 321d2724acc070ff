using System.Collections.Concurrent;
using System.Globalization;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// The same sweep as <c>FaultSweepTests</c>, with real processes on plain files: the host ends itself with SIGKILL before the n-th call or step of a run, for every n;
/// the next host of the machine brings the run to its one end, its log whole.
/// </summary>
public sealed class FaultSweepProcessTests
{
    // Writes a mark at its start, works a moment, and fails when it is started a second time.
    private const string Agent = """
        mark="$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT"
        [ -e "$mark" ] && exit 9
        : > "$mark"
        for i in 1 2 3; do echo "line $i"; sleep 0.05; done
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 1_800_000)]
    public async Task A_host_killed_before_any_call_of_a_run_costs_nothing()
    {
        var breaches = new ConcurrentBag<string>();
        var (step, killed) = (0, 0);

        // How many steps there are differs with how slowly the agent's lines come: each of three goes on until so many hosts in a row have lived to their end.
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            for (var lived = 0; lived < 3;)
            {
                lived = await IsKilledAsync(Interlocked.Increment(ref step), breaches) ? 0 : lived + 1;
                Assert.InRange(lived == 0 ? Interlocked.Increment(ref killed) : killed, 0, 100);
            }
        })));

        Assert.Empty(breaches.Order(StringComparer.Ordinal));
        Assert.True(killed >= 20, $"{killed} hosts were killed.");
    }

    private static async Task<bool> IsKilledAsync(int step, ConcurrentBag<string> breaches)
    {
        await using var machine = new OneMachine(Agent, direct: "teardown_command: 'echo \"$OZ_RUN_ID\" >> \"$MARKS/teardown\"'");
        var run = await machine.RunAsync(Cancellation, "-p", "x");
        var dying = machine.StartCrashing(string.Create(CultureInfo.InvariantCulture, $"{FaultKind.KillBefore}:{step}"), "worker", "--once", "--config-file", machine.Config);
        var exitCode = await dying.WaitForExitAsync(Cancellation);
        Assert.Contains(exitCode, new[] { 0, 137 });
        foreach (var breach in await SettleAsync(machine, run, Cancellation))
        {
            breaches.Add($"before step {step}: {breach}");
        }

        return exitCode == 137;
    }

    private static async Task<IReadOnlyList<string>> SettleAsync(OneMachine machine, RunId run, CancellationToken cancellationToken)
    {
        // What is left to the tick is a minute old before it looks.
        foreach (var marker in machine.Files("active"))
        {
            File.SetLastWriteTimeUtc(marker, File.GetLastWriteTimeUtc(marker) - TimeSpan.FromMinutes(2));
        }

        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(run, cancellationToken);
        await machine.AssertNothingLeftAsync(cancellationToken);
        var lines = (await File.ReadAllLinesAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(run, record.Attempt)), cancellationToken)).Count(line => line.Contains("\"s\":\"out\"", StringComparison.Ordinal));
        var check = new GuaranteeCheck
        {
            Store = StoreSnapshot.OfDirectory(Path.Join(machine.Data, "ozfunctions")),
            Accepted = [run],
            CompletionIds = machine.CompletionIds(),
            Executions = machine.MarksOf(run).ToDictionary(mark => Path.GetFileName(mark), _ => 1),
        };
        return [
            .. check.FindBreaches(),
            .. record.State == RunState.Succeeded && record.Starts == 1 ? (string[])[] : [$"4: the run is {record.State.Text()} ({record.Reason?.Text()}) after {record.Starts} starts"],
            .. lines == 3 ? (string[])[] : [$"4: the log has {lines} of 3 lines"],
            .. File.Exists(machine["marks/teardown"]) && File.ReadAllLines(machine["marks/teardown"]).Length == 1 ? (string[])[] : ["7: teardown did not run once"]];
    }
}
