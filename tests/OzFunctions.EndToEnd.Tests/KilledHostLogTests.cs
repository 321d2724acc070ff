using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>An agent goes on while its hosts die one after the other; its log has every line once, in order.</summary>
public sealed class KilledHostLogTests
{
    private const int Lines = 120;
    private const int Kills = 5;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task A_log_has_every_line_once_and_in_order_through_five_kills_of_the_host()
    {
        await using var machine = new OneMachine($"i=0; while [ $i -lt {Lines} ]; do i=$((i+1)); echo \"line $i\"; sleep 0.05; done; exit 4");
        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        var log = Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(runId, 1));
        for (var kill = 1; kill <= Kills; kill++)
        {
            var host = machine.StartWorker();
            var wanted = $"line {kill * Lines / (Kills + 2)}\"";
            await OneMachine.WaitAsync(() => File.Exists(log) && ReadShared(log).Contains(wanted, StringComparison.Ordinal), Cancellation);
            await host.KillAsync();
        }

        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 4, 1, 1), (record.Reason!.Value, record.CurrentAttempt!.ExitCode!.Value, record.Starts, record.Attempt));
        var stored = ReadShared(log).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(Enumerable.Range(1, stored.Count), stored.Select(line => line.GetProperty("n").GetInt32()));
        Assert.Equal(
            Enumerable.Range(1, Lines).Select(number => $"line {number}"),
            stored.Where(line => line.GetProperty("s").GetString() == "out").Select(line => line.GetProperty("m").GetString()));
        Assert.True(record.CurrentAttempt.Log!.Sealed);
    }

    private static string ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
