using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Many submitters, two hosts on one directory, one of them killed again and again.</summary>
public sealed class SwarmTests
{
    private const int Runs = 200;
    private const int Submitters = 4;
    private const int Kills = 5;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 900_000)]
    public async Task Two_hundred_runs_from_four_processes_survive_a_host_killed_five_times()
    {
        await using var machine = new OneMachine("""
            mark="$MARKS/$OZF_RUN_ID"
            [ -e "$mark" ] && echo again >> "$MARKS/twice"
            echo "$OZF_ATTEMPT" >> "$mark"
            (sleep 300 &)
            sleep 0.2
            """);
        machine.StartWorker();
        var killed = machine.StartWorker();

        var submitting = Task.WhenAll(Enumerable.Range(0, Submitters).Select(submitter => SubmitAsync(machine, submitter)));
        for (var kill = 1; kill <= Kills; kill++)
        {
            // In the thick of it: so many runs have been started when the host dies.
            await OneMachine.WaitAsync(() => Directory.GetFiles(machine.Marks).Length >= kill * Runs / (Kills + 2), Cancellation);
            await killed.KillAsync();
            killed = machine.StartWorker();
        }

        RunId[] runs = [.. (await submitting).SelectMany(ids => ids)];
        Assert.Equal(Runs, runs.Distinct().Count());
        foreach (var runId in runs)
        {
            var record = await machine.UntilTerminalAsync(runId, Cancellation);
            Assert.Equal((RunState.Succeeded, 1), (record.State, record.Starts));
            Assert.Single(await File.ReadAllLinesAsync(Path.Join(machine.Marks, runId.Value), Cancellation));
        }

        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.False(File.Exists(Path.Join(machine.Marks, "twice")));
        Assert.Equal(Runs, Directory.GetFiles(machine.Marks).Length);
        Assert.Equal(Runs, machine.CompletionIds().Length);
        Assert.Equal(runs.Select(run => run.Value).Order(), machine.CompletionIds().Select(id => id.Split(':')[0]).Order());
    }

    /// <summary>A shell that submits one run after the other.</summary>
    private static async Task<IEnumerable<RunId>> SubmitAsync(OneMachine machine, int submitter)
    {
        var file = machine[$"requests-{submitter}"];
        await File.WriteAllTextAsync(file, """{"prompt":"x","changes":false}""", Cancellation);
        var script = $"i=0; while [ $i -lt {Runs / Submitters} ]; do '{Path.Join(AppContext.BaseDirectory, "ozf")}' run --file '{file}' --data '{machine.Data}' || exit 1; i=$((i+1)); done";
        var (exitCode, output, errors) = await TestProcess.RunAsync("/bin/sh", ["-c", script], Cancellation);
        Assert.True(exitCode == 0, errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(RunId.Parse);
    }
}
