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

    [Fact(Timeout = 900_000)]
    public async Task A_host_killed_before_any_call_of_a_run_costs_nothing()
    {
        var steps = await CountAsync();
        Assert.InRange(steps, 20, 100);
        var breaches = new ConcurrentBag<string>();
        var killed = 0;

        // A host that polls a little more than the counted one may have a step more.
        await Parallel.ForEachAsync(
            Enumerable.Range(1, steps + 1),
            new ParallelOptions { MaxDegreeOfParallelism = 3, CancellationToken = Cancellation },
            async (step, cancellationToken) =>
            {
                await using var machine = new OneMachine(Agent, direct: "teardown_command: 'echo \"$OZ_RUN_ID\" >> \"$MARKS/teardown\"'");
                var run = await machine.RunAsync(cancellationToken, "-p", "x");
                var dying = machine.StartCrashing(string.Create(CultureInfo.InvariantCulture, $"{FaultKind.KillBefore}:{step}"), "worker", "--once", "--config-file", machine.Config);
                if (await dying.WaitForExitAsync(cancellationToken) == 137)
                {
                    Interlocked.Increment(ref killed);
                }

                var where = $"before step {step}: ";
                foreach (var breach in await SettleAsync(machine, run, cancellationToken))
                {
                    breaches.Add(where + breach);
                }
            });

        Assert.Empty(breaches.Order(StringComparer.Ordinal));
        Assert.InRange(killed, steps - 2, steps + 1);
    }

    private static async Task<int> CountAsync()
    {
        await using var machine = new OneMachine(Agent);
        await machine.RunAsync(Cancellation, "-p", "x");
        var counting = machine.StartCrashing($"{FaultKind.KillBefore}:0", "worker", "--once", "--config-file", machine.Config);
        Assert.Equal(0, await counting.WaitForExitAsync(Cancellation));
        var line = Assert.Single(counting.Errors, error => error.StartsWith("steps: ", StringComparison.Ordinal));
        return int.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
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
