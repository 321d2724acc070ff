using System.Text;
using OzFunctions.Runs;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Guarantee 8 with a host that is killed -9: the next one, which knows less, masks what the first one would have.</summary>
public sealed class SecretTests
{
    private const string Asked = "canary/asked+0123456789";
    private const string Written = "canary-written-by-setup";

    // Stops in the middle of a secret until the next host is there.
    private const string Agent = """
        printf 'begin %s' "$(printf %s "$WRITTEN_TOKEN" | head -c 10)"
        printf %s "$ASKED" | base64 >&2
        while [ ! -e "$MARKS/go" ]; do sleep 0.05; done
        printf '%s end\n' "$(printf %s "$WRITTEN_TOKEN" | tail -c +11)"
        printf 'user:%s' "$ASKED" | base64
        echo "kept $ASKED $WRITTEN_TOKEN" >"$OZ_ARTIFACTS_DIR/kept.txt"
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData("C8")]
    [InlineData("C10")]
    public async Task No_secret_is_anywhere_in_the_data_directory_after_a_kill(string step)
    {
        await using var machine = new OneMachine(Agent, settings: "", direct: $"setup_command: 'echo WRITTEN_TOKEN={Written} >> \"$OZ_ENVIRONMENT_FILE\"; echo \"setup $ASKED\" >&2'");
        await File.WriteAllTextAsync(machine["secret"], Asked + "\n", Cancellation);
        var without = await File.ReadAllTextAsync(machine.Config, Cancellation);
        await File.WriteAllTextAsync(machine.Config, $"secrets: [{{name: asked, file: {machine["secret"]}}}]\n{without}", Cancellation);
        var runId = await machine.RunAsync(Cancellation, "-p", "x", "--secret", "ASKED=asked");
        var dying = machine.StartCrashing(step, "worker", "--config-file", machine.Config);
        Assert.Equal(137, await dying.WaitForExitAsync(Cancellation));

        if (step == "C10")
        {
            // The agent runs: its secrets are known from the attempt alone.
            await File.WriteAllTextAsync(machine.Config, without, Cancellation);
        }

        var next = machine.StartWorker();
        await File.WriteAllTextAsync(Path.Join(machine.Marks, "go"), "", Cancellation);
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.True(record.State == RunState.Succeeded, record.Message);
        var log = await File.ReadAllTextAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(record.RunId, record.Attempt)), Cancellation);
        Assert.Contains("\"begin *** end\"", log, StringComparison.Ordinal);
        Assert.Contains("\"setup ***\"", log, StringComparison.Ordinal);
        AssertNone("the hosts' own logs", string.Join('\n', dying.Errors.Concat(dying.Output).Concat(next.Errors).Concat(next.Output)));
        var files = Directory.EnumerateFiles(machine.Data, "*", SearchOption.AllDirectories).Concat(Directory.EnumerateFiles(machine.Workspaces, "*", SearchOption.AllDirectories)).ToList();
        Assert.Contains(files, file => File.ReadAllText(file, Encoding.Latin1).Contains("kept *** ***", StringComparison.Ordinal));
        Assert.All(files.Where(file => Path.GetFileName(file) != "ozf-shim"), file => AssertNone(file, File.ReadAllText(file, Encoding.Latin1)));
    }

    private static void AssertNone(string where, string text)
    {
        foreach (var secret in (string[])[Asked, Written])
        {
            foreach (var before in (string[])["", "user:"])
            {
                var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(before + secret));
                Assert.False(text.Contains(encoded[8..^4], StringComparison.Ordinal), where);
            }

            Assert.False(text.Contains(secret, StringComparison.Ordinal) || text.Contains(secret[10..], StringComparison.Ordinal), where);
        }
    }
}
