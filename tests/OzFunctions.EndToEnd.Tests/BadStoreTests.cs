using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>A data directory that was meddled with, cannot be written, or is full: said once, others unharmed, nothing lost.</summary>
public sealed class BadStoreTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 300_000)]
    public async Task A_record_that_is_nonsense_is_named_once_by_the_host_and_by_list_and_get_and_harms_no_other()
    {
        await using var machine = new OneMachine("exit 0");
        var broken = await machine.RunAsync(Cancellation, "-p", "broken");
        var path = Path.Join(machine.Data, "ozfunctions", RunBlobs.Record(broken));
        await File.WriteAllTextAsync(path, """{"schema":1,"run_id":5 oh""", Cancellation);
        var worker = machine.StartWorker();

        // Each submission makes the host list the broken one again.
        for (var run = 0; run < 3; run++)
        {
            var record = await machine.UntilTerminalAsync(await machine.RunAsync(Cancellation, "-p", "good"), Cancellation);
            Assert.Equal(RunState.Succeeded, record.State);
        }

        var (listExit, listed, warned) = await machine.OzfAsync(Cancellation, "runs", "list");
        Assert.Equal((0, 3), (listExit, listed.Split('\n').Count(line => line.Contains("SUCCEEDED", StringComparison.Ordinal))));
        Assert.Contains(broken.Value, warned, StringComparison.Ordinal);
        var (getExit, _, errors) = await machine.OzfAsync(Cancellation, "runs", "get", broken.Value);
        Assert.NotEqual(0, getExit);
        Assert.Contains("cannot be read", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        Assert.Single(worker.Output.Concat(worker.Errors), line => line.Contains(broken.Value, StringComparison.Ordinal));
        Assert.Equal("""{"schema":1,"run_id":5 oh""", await File.ReadAllTextAsync(path, Cancellation));

        // The directory of the last run goes after its record says that it is over.
        await OneMachine.WaitAsync(() => machine.Leftovers().Length == 0, Cancellation);
        Assert.Empty(machine.Leftovers());
    }

    [Fact(Timeout = 300_000)]
    public async Task A_data_directory_that_is_a_file_is_refused_with_a_sentence()
    {
        await using var machine = new OneMachine("exit 0");
        await File.WriteAllTextAsync(machine.Data, "", Cancellation);

        var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, "run", "-p", "x");

        Assert.Equal(69, exitCode);
        Assert.Contains($"'{machine.Data}' is a file", errors, StringComparison.Ordinal);
    }

    [Fact(Timeout = 300_000)]
    public async Task A_data_directory_whose_disk_has_no_room_is_refused_with_a_sentence()
    {
        await using var machine = new OneMachine("exit 0");
        await using var disk = await SmallDisk.TryMountAsync(machine.Data, "64k");
        Assert.SkipUnless(disk is not null, "needs root, to mount a small disk");
        await machine.OzfAsync(Cancellation, "runs", "list");
        await TestProcess.RunAsync("/bin/sh", ["-c", "head -c 200000 /dev/zero > \"$1/junk\"", "sh", machine.Data], Cancellation);

        var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, "run", "-p", "x");

        Assert.Equal(69, exitCode);
        Assert.Contains("disk is full", errors, StringComparison.Ordinal);
    }

    [Fact(Timeout = 300_000)]
    public async Task A_data_disk_that_fills_up_in_the_middle_of_a_run_holds_it_up_and_loses_nothing()
    {
        const int Lines = 300;
        await using var machine = new OneMachine($"i=0; while [ $i -lt {Lines} ]; do echo \"line $i $(head -c 20000 /dev/zero | tr '\\0' b)\"; i=$((i+1)); done; echo done > \"$MARKS/done\"");
        await using var disk = await SmallDisk.TryMountAsync(machine.Data, "3m");
        Assert.SkipUnless(disk is not null, "needs root, to mount a small disk");
        var began = TimeProvider.System.GetTimestamp();
        var worker = machine.StartWorker();
        var runId = await machine.RunAsync(Cancellation, "-p", "x");

        await OneMachine.WaitAsync(() => File.Exists(machine["marks/done"]) && Warnings(worker).Any(), Cancellation);
        Assert.False((await machine.UntilAsync(runId, _ => true, Cancellation)).State.IsTerminal());
        await disk!.ResizeAsync("64m");
        var record = await machine.UntilTerminalAsync(runId, Cancellation);

        Assert.Equal((RunState.Succeeded, true, 0L), (record.State, record.CurrentAttempt!.Log!.Sealed, record.CurrentAttempt.Log.CutBytes));
        var log = await File.ReadAllLinesAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(runId, 1)), Cancellation);
        Assert.Equal(Lines, log.Count(line => line.Contains("\"m\":\"line ", StringComparison.Ordinal)));

        // Once for the log, perhaps once for another write, and for a heartbeat, which is due every half minute; never once a second.
        Assert.InRange(Warnings(worker).Count(), 1, 4 + (int)(TimeProvider.System.GetElapsedTime(began) / TimeSpan.FromSeconds(30)));
        Assert.Equal(RunState.Succeeded, (await machine.UntilTerminalAsync(await machine.RunAsync(Cancellation, "-p", "next"), Cancellation)).State);
        await machine.AssertNothingLeftAsync(Cancellation);
    }

    private static IEnumerable<string> Warnings(TestProcess worker) => worker.Output.Concat(worker.Errors).Where(line => line.Contains("disk is full", StringComparison.Ordinal));
}
