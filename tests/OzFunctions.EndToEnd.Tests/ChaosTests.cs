using System.Globalization;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// Twenty runs with forking children while hosts and shims are killed and frozen at random; then guarantees 1 to 8 are checked for every run. By hand longer:
/// <c>OZF_CHAOS_SECONDS=300</c>; <c>OZF_CHAOS_SEED</c> repeats the choices of a run that failed.
/// </summary>
public sealed class ChaosTests
{
    private const int Runs = 20;
    private const int Hosts = 2;
    private const string Secret = "canary-of-chaos/0123456789+";

    private const string Agent = """
        mark="$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT"
        echo x >>"$mark"
        for i in 1 2 3; do ( setsid sleep 600 >/dev/null 2>&1 & ); sleep 600 & env -i setsid sleep 600 >/dev/null 2>&1 & done
        i=0
        while [ $i -lt "$LINES_TO_PRINT" ]; do
            i=$((i+1)); echo "line $i of $OZF_RUN_ID $CHAOS_TOKEN"
            ( sleep 0.3 & ) ; sleep 0.2
        done
        echo "kept $CHAOS_TOKEN" >"$OZ_ARTIFACTS_DIR/kept"
        """;

    private const string Direct = """
        setup_command: 'echo "setup $CHAOS_TOKEN"; (setsid sleep 600 &)'
        teardown_command: 'base=${OZ_WORKSPACE_ROOT##*/}; echo x >>"$MARKS/teardown-${base%-*}.${base##*-}"'
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 1_200_000)]
    public async Task Random_kills_of_hosts_and_shims_break_no_guarantee()
    {
        var seconds = Number("OZF_CHAOS_SECONDS") ?? 30;
        var seed = Number("OZF_CHAOS_SEED") ?? Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"OZF_CHAOS_SECONDS={seconds} OZF_CHAOS_SEED={seed}");
        var deeds = new List<string> { $"OZF_CHAOS_SECONDS={seconds} OZF_CHAOS_SEED={seed}" };
        await using var machine = new OneMachine(Agent, direct: Direct, slots: 6);
        await File.WriteAllTextAsync(machine.Config, $"secrets: [{{name: chaos, file: {machine["secret"]}}}]\n" + await File.ReadAllTextAsync(machine.Config, Cancellation), Cancellation);
        await File.WriteAllTextAsync(machine["secret"], Secret, Cancellation);

        var random = new Random(seed);
        var hosts = Enumerable.Range(0, Hosts).Select(_ => machine.StartWorker("--log-level", "debug")).ToList();
        var all = new List<TestProcess>(hosts);
        var submitting = SubmitAsync(machine, lines: Math.Max(5, seconds * 5 * Hosts * 6 / Runs / 2));

        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(seconds))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(200, 1_500)), TimeProvider.System, Cancellation);
            var (deed, which) = (random.Next(10), random.Next(Hosts));
            switch (deed)
            {
                case < 4:
                    await hosts[which].KillAsync();
                    deeds.Add($"killed host {which}");
                    break;
                case < 7 when Pick(machine.Shims(), random) is { } shim:
                    Signals.Send(shim.Id, Signals.Kill);
                    deeds.Add($"killed shim {shim.Id}");
                    break;
                case < 8:
                    hosts[which].Signal(Signals.Stop);
                    await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancellation);
                    hosts[which].Signal(Signals.Continue);
                    deeds.Add($"froze host {which}");
                    break;
                case < 9:
                    foreach (var host in hosts)
                    {
                        await host.KillAsync();
                    }

                    if (Pick(machine.Shims(), random) is { } orphan)
                    {
                        Signals.Send(orphan.Id, Signals.Kill);
                    }

                    deeds.Add("killed all hosts and a shim");
                    break;
                default:
                    if (Pick(machine.Shims(), random) is { } frozen)
                    {
                        Signals.Send(frozen.Id, Signals.Stop);
                        await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, Cancellation);
                        Signals.Send(frozen.Id, Signals.Continue);
                        deeds.Add($"froze shim {frozen.Id}");
                    }

                    break;
            }

            for (var i = 0; i < Hosts; i++)
            {
                if (hosts[i].HasExited)
                {
                    all.Add(hosts[i] = machine.StartWorker("--log-level", "debug"));
                }
            }
        }

        var story = string.Join('\n', deeds);
        var runs = await submitting;
        foreach (var runId in runs)
        {
            await machine.UntilTerminalAsync(runId, Cancellation);
        }

        await machine.AssertNothingLeftAsync(Cancellation);
        var check = machine.Check(runs) with
        {
            Canaries = [new("the secret", Secret)],
            Texts = all.Select((host, number) => (host, number)).ToDictionary(host => $"log of host {host.number}", host => string.Join('\n', host.host.Errors.Concat(host.host.Output))),
        };
        var breaches = check.FindBreaches();
        Assert.True(breaches.Count == 0, string.Join('\n', breaches) + "\n" + story);
        foreach (var record in check.ReadRecords())
        {
            AssertLines(check, record, story);
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", check.ReadRecords().GroupBy(record => record.Reason).Select(group => $"{group.Count()} {group.Key}")) + "\n" + story);
    }

    /// <summary>A run that succeeded printed every line once and in order, whoever was killed meanwhile.</summary>
    private static void AssertLines(GuaranteeCheck check, RunRecord record, string story)
    {
        Assert.True(record.Reason is RunReason.Completed or RunReason.HostLost, $"{record.RunId}: {record.Reason} {record.Message}\n{story}");
        var log = System.Text.Encoding.UTF8.GetString(check.Store.Find(RunBlobs.Log(record.RunId, record.Attempt)) ?? []);
        var numbers = log.Split('\n').Where(line => line.Contains("\"m\":\"line ", StringComparison.Ordinal))
            .Select(line => int.Parse(line.Split("\"m\":\"line ")[1].Split(' ')[0], CultureInfo.InvariantCulture)).ToList();
        Assert.True(numbers.SequenceEqual(Enumerable.Range(1, numbers.Count)), $"{record.RunId}: lines {string.Join(' ', numbers)}\n{story}");
        if (record.Reason == RunReason.Completed)
        {
            Assert.True(numbers.Count == int.Parse(record.Request.Env!["LINES_TO_PRINT"].Value!, CultureInfo.InvariantCulture), $"{record.RunId}: {numbers.Count} lines\n{story}");
        }
    }

    private static async Task<IReadOnlyList<RunId>> SubmitAsync(OneMachine machine, int lines)
    {
        var runs = new List<RunId>();
        for (var number = 0; number < Runs; number++)
        {
            string[] often = number % 2 == 0 ? [] : ["--max-attempts", "10"];
            string[] arguments = ["-p", $"chaos {number}", "--no-changes", "--idempotency-key", $"chaos-{number}", "--secret", "CHAOS_TOKEN=chaos", "--env", $"LINES_TO_PRINT={lines}", .. often];
            runs.Add(await machine.RunAsync(Cancellation, arguments));
            Assert.Equal(runs[^1], await machine.RunAsync(Cancellation, arguments));
        }

        return runs;
    }

    private static ProcessTable.Entry? Pick(IReadOnlyList<ProcessTable.Entry> from, Random random) => from.Count == 0 ? null : from[random.Next(from.Count)];

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
