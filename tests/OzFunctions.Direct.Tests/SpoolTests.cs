using System.Globalization;
using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests;

/// <summary>Between an agent that prints and a store that does not answer, or a shim that dies, lies the spool.</summary>
public sealed class SpoolTests
{
    private const int Lines = 300_000;

    [Fact(Timeout = 180_000)]
    public async Task A_store_that_does_not_answer_never_blocks_the_agent_and_what_was_cut_is_counted()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SpoolBytes = 512 << 10 };
        rig.UseScript($"seq -f 'line %.0f' 1 {Lines}");
        var answers = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.Blobs.Answers = answers.Task;
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Changes = false });

        var running = rig.RunAsync(attempt);

        // Over, and all of it in the spool: who read there while it is still being cut could meet a second gap.
        await rig.WaitForStatusAsync(attempt, status => status.Find(ShimPhase.Agent) is { Ended: true });
        answers.SetResult();
        var outcome = await running;

        Assert.Equal((RunReason.Completed, true), (outcome.Reason, outcome.Attempt.Log!.Sealed));
        var stored = rig.Blobs.Text($"data/{attempt.Record.RunId}/1/log.ndjson").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(Enumerable.Range(1, stored.Count), stored.Select(line => line.GetProperty("n").GetInt32()));
        var cut = Assert.Single(stored, line => line.TryGetProperty("cut", out _)).GetProperty("cut");
        var numbers = NumbersOf(rig.LogOf(attempt));
        Assert.Equal(Enumerable.Range(1, 1_000), numbers.Take(1_000));
        Assert.Equal(Enumerable.Range(Lines - 999, 1_000), numbers.TakeLast(1_000));
        Assert.Equal(outcome.Attempt.Log.CutBytes, cut.GetProperty("bytes").GetInt64());

        // The cut may go through the middle of one line at either end.
        Assert.InRange(numbers.Count + cut.GetProperty("lines").GetInt64(), Lines - 1, Lines + 1);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_shot_while_the_agent_prints_leaves_whole_lines_in_order()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"i=0; while :; do i=$((i+1)); echo \"line $i\"; [ $i != 20000 ] || touch {rig.Temp["printing"]}; done");
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Changes = false });
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["printing"]);
        var shim = Testing.ProcessTable.WithTag(attempt.Directory.Name).Single(process => process.CommandLine.Contains("ozf-shim", StringComparison.Ordinal));
        Testing.Signals.Send(shim.Id, 9);

        var outcome = await running;

        Assert.Equal(RunReason.HostLost, outcome.Reason);
        Assert.True(outcome.Attempt.Log!.Sealed);
        var numbers = NumbersOf(rig.LogOf(attempt));
        Assert.True(numbers.Count > 10_000, $"{numbers.Count}");
        Assert.Equal(Enumerable.Range(1, numbers.Count - 1), numbers.Take(numbers.Count - 1));
    }

    private static List<int> NumbersOf(string log) =>
        [.. log.Split('\n').Where(line => line.StartsWith("out: line ", StringComparison.Ordinal)).Select(line => int.Parse(line["out: line ".Length..], CultureInfo.InvariantCulture))];
}
