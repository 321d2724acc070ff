using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.AzureStorage;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;
using OzFunctions.Testing.Faults;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// What <c>FaultSweepProcessTests</c> does on plain files, on a storage account: real processes, killed before every so manieth call or step of a run, and its log whole
/// afterwards. In memory the sweep goes through every one of them on the same store (<c>FaultSweepTests</c>).
/// </summary>
public sealed class FaultSweepAzureTests(SharedAzurite azurite)
{
    private const int Kills = 10;

    private const string Agent = """
        mark="$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT"
        [ -e "$mark" ] && exit 9
        : > "$mark"
        for i in 1 2 3; do echo "line $i"; sleep 0.05; done
        """;

    private const string Teardown = "teardown_command: 'echo \"$OZ_RUN_ID\" >> \"$MARKS/teardown\"'";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 900_000)]
    public async Task A_host_killed_at_calls_all_over_a_run_on_a_storage_account_costs_nothing()
    {
        var steps = await CountAsync();
        Assert.InRange(steps, 20, 100);
        var breaches = new ConcurrentBag<string>();
        var killed = 0;

        await Parallel.ForEachAsync(
            Enumerable.Range(0, Kills).Select(kill => 1 + kill * (steps - 1) / (Kills - 1)),
            new ParallelOptions { MaxDegreeOfParallelism = 3, CancellationToken = Cancellation },
            async (step, cancellationToken) =>
            {
                await using var machine = await StartAsync();
                var run = RunId.Parse((await machine.SucceedAsync(cancellationToken, "run", "-p", "x")).Trim());
                var dying = machine.StartCrashing(string.Create(CultureInfo.InvariantCulture, $"{FaultKind.KillBefore}:{step}"), "worker", "--once");
                if (await dying.WaitForExitAsync(cancellationToken) == 137)
                {
                    Interlocked.Increment(ref killed);
                }

                foreach (var breach in await SettleAsync(machine, run, cancellationToken))
                {
                    breaches.Add($"before step {step}: {breach}");
                }
            });

        Assert.Empty(breaches.Order(StringComparer.Ordinal));

        // A counted host that was slow appended its log more often and looked once more, so that its end is later than another's by more than the last two kills are apart.
        Assert.InRange(killed, Kills - 2, Kills);
    }

    private async Task<AzureMachine> StartAsync() => new((await azurite.GetAsync()).TakeAccount(), Agent, Teardown);

    private async Task<int> CountAsync()
    {
        await using var machine = await StartAsync();
        await machine.SucceedAsync(Cancellation, "run", "-p", "x");
        var counting = machine.StartCrashing($"{FaultKind.KillBefore}:0", "worker", "--once");
        Assert.Equal(0, await counting.WaitForExitAsync(Cancellation));
        var line = Assert.Single(counting.Errors, error => error.StartsWith("steps: ", StringComparison.Ordinal));
        return int.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    private static async Task<IReadOnlyList<string>> SettleAsync(AzureMachine machine, RunId run, CancellationToken cancellationToken)
    {
        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(run, cancellationToken);

        // The host of this machine does what is its own first.
        await OneMachine.UntilAsync(() => Task.FromResult(machine.AttemptDirectories()), left => left.Count == 0, cancellationToken);

        // What is left to the tick is a minute old before it looks, by the service's clock: here somebody ticks for whom it is.
        await OneMachine.UntilAsync(
            async () =>
            {
                var names = await machine.NamesAsync("active/", cancellationToken);
                if (names.Count > 0)
                {
                    await LaterTickAsync(machine, cancellationToken);
                }

                return names;
            },
            names => names.Count == 0,
            cancellationToken);
        await machine.AssertNothingLeftAsync(cancellationToken);

        var store = await StoreSnapshot.OfAsync(machine.Blobs, cancellationToken);
        var said = System.Text.Encoding.UTF8.GetString(store.Find(RunBlobs.Log(run, record.Attempt)) ?? []).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line)).Where(line => line.GetProperty("s").GetString() == "out").Select(line => line.GetProperty("m").GetString());
        var check = new GuaranteeCheck
        {
            Store = store,
            Accepted = [run],
            CompletionIds = [.. (await machine.TakeEventIdsAsync(cancellationToken)).Where(id => id.EndsWith(":completed", StringComparison.Ordinal))],
            Executions = Directory.GetFiles(machine.Marks, run.Value + "*").ToDictionary(mark => Path.GetFileName(mark), _ => 1),
        };
        return [
            .. check.FindBreaches(),
            .. record is { State: RunState.Succeeded, Starts: 1 } ? (string[])[] : [$"4: the run is {record.State.Text()} ({record.Reason?.Text()}) after {record.Starts} starts"],
            .. record.CurrentAttempt?.Log is { Sealed: true } ? (string[])[] : ["4: the log is not sealed"],
            .. said.SequenceEqual(["line 1", "line 2", "line 3"]) ? (string[])[] : [$"4: the log says {string.Join(", ", said)}"],
            .. File.Exists(machine["marks/teardown"]) && File.ReadAllLines(machine["marks/teardown"]).Length == 1 ? (string[])[] : ["7: teardown did not run once"]];
    }

    private static async Task LaterTickAsync(AzureMachine machine, CancellationToken cancellationToken)
    {
        var core = new OzCore(
            new()
            {
                StoreId = machine.Account.StoreId,
                Blobs = new Older(machine.Blobs),
                Bell = new AzureBell(machine.Account),
                HostLock = new NoHostLock(),
                Publishers = [new AzureEventQueue(machine.Account)],
                Time = TimeProvider.System,
            },
            new(),
            NullLoggerFactory.Instance);
        await core.Tick.TickAsync(cancellationToken);
    }

    /// <summary>Markers are two minutes older than they are.</summary>
    private sealed class Older(IBlobStore inner) : WrappedBlobStore(inner)
    {
        public override async Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
        {
            var page = await Inner.ListAsync(prefix, continuation, most, cancellationToken);
            return prefix == RunBlobs.ActivePrefix ? page with { Entries = [.. page.Entries.Select(entry => entry with { Age = entry.Age + TimeSpan.FromMinutes(2) })] } : page;
        }
    }
}
