using System.Globalization;
using System.Text.Json;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// An agent prints a numbered line every 100 ms and goes on while its hosts die one after the other and the product is replaced under it; its log has every
/// line once, in order.
/// </summary>
public sealed class KilledHostLogTests
{
    private const int Kills = 5;

    // A minute.
    private const int Lines = 600;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 900_000)]
    public async Task A_log_has_every_line_once_and_in_order_through_five_kills_of_the_host_and_two_replacements_of_its_binaries()
    {
        await using var machine = new OneMachine($"echo x >>\"$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT\"; i=0; while [ $i -lt {Lines} ]; do i=$((i+1)); echo \"line $i\"; sleep 0.1; done; exit 0");
        machine.Product = machine["product"];
        await InstallAsync(machine, version: 0);
        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        var log = Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(runId, 1));
        for (var kill = 1; kill <= Kills; kill++)
        {
            var host = machine.StartWorker();
            var wanted = $"line {kill * Lines / (Kills + 2)}\"";
            await OneMachine.WaitAsync(() => File.Exists(log) && ReadShared(log).Contains(wanted, StringComparison.Ordinal), Cancellation);
            if (kill is 2 or 4)
            {
                // While it runs: every file of the product is another one, the shim's too.
                await InstallAsync(machine, version: kill);
            }

            await host.KillAsync();
        }

        machine.StartWorker();
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal((RunReason.Completed, 0, 1, 1), (record.Reason!.Value, record.CurrentAttempt!.ExitCode!.Value, record.Starts, record.Attempt));
        var stored = ReadShared(log).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(
            Enumerable.Range(1, Lines).Select(number => $"line {number}"),
            stored.Where(line => line.GetProperty("s").GetString() == "out").Select(line => line.GetProperty("m").GetString()));
        (machine.Check([runId]) with { Teardowns = null }).AssertAllHold();
        Assert.True(Directory.GetDirectories(Path.Join(machine.Workspaces, ".ozf", "bin")).Length > 1, "The shim was replaced as well.");
    }

    /// <summary>As an upgrade does: the new files beside the old ones, then in their place.</summary>
    private static async Task InstallAsync(OneMachine machine, int version)
    {
        var script = """
            rm -rf "$2.new" && mkdir "$2.new" && cd "$1" && cp -r -- *.dll *.json ozf shim "$2.new/"
            printf 'build %s' "$3" >>"$2.new/shim/ozf-shim"
            [ ! -e "$2" ] || mv "$2" "$2.old-$3"
            mv "$2.new" "$2" && rm -rf "$2.old-$3"
            """;
        var (exitCode, _, errors) = await TestProcess.RunAsync("/bin/sh", ["-ec", script, "install", AppContext.BaseDirectory, machine.Product, version.ToString(CultureInfo.InvariantCulture)], Cancellation);
        Assert.True(exitCode == 0, errors);
    }

    private static string ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
