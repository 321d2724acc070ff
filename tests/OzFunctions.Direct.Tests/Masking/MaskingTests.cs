using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Backends;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Masking;

/// <summary>Guarantee 8 with real processes: canaries set in every way are searched for in every byte that left the private directory.</summary>
public sealed class MaskingTests
{
    private const string OfRequest = "rq/canary+one?&'x\" y";
    private const string OfEnvironmentFile = "ef-canary-0123456789";
    private const string OfAgentEnvironment = "ae.canary.äöü=9/8+7";
    private const string Unused = "un-canary-abcdefgh";
    private const string OfHost = "wk-of-the-host";
    private static readonly string[] Canaries = [OfRequest, OfEnvironmentFile, OfAgentEnvironment, Unused, OfHost];

    // Everything that prints: plain, encoded by real tools and as files say, in two writes, to stderr, as a line that is read, as artifact and change.
    private const string Agent = """
        for v in "$ASKED" "$FILE_TOKEN" "$AGENT_KEY"; do
            printf 'plain: %s\n' "$v"
            printf %s "$v" | base64 -w0; echo
            printf 'u:%s' "$v" | base64 -w0; echo
            printf 'us:%s' "$v" | base64 -w0; echo
            printf 'e: %s\n' "$v" >&2
            half=$(( ${#v} / 2 ))
            printf 'split: %s' "$(printf %s "$v" | head -c $half)"; sleep 0.05; printf '%s\n' "$(printf %s "$v" | tail -c +$((half + 1)))"
            printf 'has %s inside\n' "$v" >>"$OZ_ARTIFACTS_DIR/report.txt"
            printf '%s\n' "$v" >>tracked
        done
        cat "$FORMS"
        cp "$FORMS" "$OZ_ARTIFACTS_DIR/forms"
        echo x >"$OZ_ARTIFACTS_DIR/named-$FILE_TOKEN"
        printf 'caf\351\n' >>tracked
        echo "Created PR: https://example.com/$FILE_TOKEN (branch: b-$FILE_TOKEN)"
        """;

    [Fact(Timeout = 180_000)]
    public async Task No_secret_leaves_the_private_directory_in_any_form()
    {
        await using var rig = Rig();
        rig.UseScript(Agent + "\necho \"The agent got stuck waiting for user confirmation on the action: use $FILE_TOKEN\" >&2; exit 1");
        var attempt = rig.Claim(Request());

        var outcome = await rig.RunAsync(attempt);

        var log = rig.LogOf(attempt);
        Assert.True(outcome.Attempt.ExitCode == 1, outcome.Message + log);
        AssertClean(rig, outcome);
        Assert.Contains("setup: out ***\n", log, StringComparison.Ordinal);
        Assert.Contains("setup: err ***\n", log, StringComparison.Ordinal);
        Assert.Equal(3, log.Split("out: plain: ***\n").Length - 1);
        Assert.Equal(3, log.Split("out: split: ***\n").Length - 1);
        Assert.Equal(3, log.Split("err: e: ***\n").Length - 1);
        Assert.Contains("***", outcome.Message, StringComparison.Ordinal);
        Assert.Equal(new PullRequest("https://example.com/***", "b-***"), Assert.Single(outcome.Attempt.PullRequests!));
        Assert.Equal("has *** inside\nhas *** inside\nhas *** inside\n", rig.ArtifactOf(attempt, "report.txt"));
        Assert.Contains("\n+***\n", rig.ArtifactOf(attempt, "changes.patch"), StringComparison.Ordinal);
        var manifest = rig.ManifestOf(attempt).ToDictionary(entry => entry.Path);
        Assert.Equal((3, 3), (manifest["report.txt"].Masked, manifest["changes.patch"].Masked));
        Assert.Contains("named-***", manifest.Keys);
        Assert.Equal(["The value of SHORT_TOKEN is too short or too common to be masked: it is shown where it is printed."], outcome.Attempt.Warnings);
    }

    [Fact(Timeout = 180_000)]
    public async Task The_next_host_masks_the_same_though_it_is_configured_otherwise_and_a_secret_stands_across_the_change()
    {
        await using var rig = Rig();
        rig.UseScript($"""printf 'before %s' "$(printf %s "$FILE_TOKEN" | head -c 9)"; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; printf '%s after\n' "$(printf %s "$FILE_TOKEN" | tail -c +10)"; {Agent}""");
        var first = await rig.StartAndDetachAsync(Request());
        var file = Path.Combine(rig.PrivateOf(first), "secrets.json");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));

        // What the run was not given does not lie where it could read it; the next host masks what it has itself.
        var kept = await File.ReadAllTextAsync(file, BackendRig.Cancellation);
        Assert.DoesNotContain(Unused, kept, StringComparison.Ordinal);
        Assert.DoesNotContain(OfHost, kept, StringComparison.Ordinal);
        Assert.Contains(OfEnvironmentFile, kept, StringComparison.Ordinal);

        rig.Options = rig.Options with
        {
            Secrets = new Dictionary<string, string> { ["unused"] = Unused },
            AgentEnvironment = [],
            HostEnvironment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["WARP_API_KEY"] = OfHost },
        };
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        rig.Temp.Write("go", "");
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        AssertClean(rig, outcome);
        var lines = rig.LogOf(second).Split('\n');
        Assert.Single(lines, "out: before *** after");
        Assert.Single(lines, "setup: out ***");
        Assert.Equal(3, lines.Count(line => line == "out: plain: ***"));
        second.Directory.Delete();
        Assert.False(File.Exists(file));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(ProtocolStep.C8)]
    [InlineData(ProtocolStep.C10)]
    [InlineData(ProtocolStep.S1)]
    [InlineData(ProtocolStep.S3)]
    [InlineData(ProtocolStep.S4)]
    [InlineData(ProtocolStep.S6)]
    public async Task A_host_that_goes_after_a_step_leaves_no_secret_behind(ProtocolStep step)
    {
        await using var rig = Rig();
        rig.Options = rig.Options with { TeardownCommand = """echo "teardown $ASKED"; cat "$OZ_WORKSPACE_ROOT/tracked" """ };
        rig.UseScript(Agent);
        var first = rig.Claim(Request());
        using var detach = new CancellationTokenSource();
        first.OnPassed = passed =>
        {
            if (passed == step)
            {
                detach.Cancel();
                throw new OperationCanceledException("the host goes here", detach.Token);
            }
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.CreateBackend().RunAsync(first, detach.Token));

        rig.Options = rig.Options with { AgentEnvironment = [.. rig.Options.AgentEnvironment.Where(entry => step == ProtocolStep.C8 || entry.Name != "AGENT_KEY")] };
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal(RunReason.Completed, outcome.Reason);
        AssertClean(rig, outcome);
        var lines = rig.LogOf(second).Split('\n');
        Assert.Single(lines, "teardown: teardown ***");
        Assert.Equal(3, lines.Count(line => line == "out: split: ***"));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_failed_setup_wrote_for_the_agent_is_masked_in_teardown()
    {
        await using var rig = Rig();
        rig.Options = rig.Options with { SetupCommand = rig.Options.SetupCommand + "; cp \"$OZ_ENVIRONMENT_FILE\" kept; exit 3", TeardownCommand = "cat \"$OZ_WORKSPACE_ROOT/kept\"" };
        var attempt = rig.Claim(Request());

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.SetupCommand, outcome.Reason);
        Assert.Contains("teardown: FILE_TOKEN=***\n", rig.LogOf(attempt), StringComparison.Ordinal);
        AssertClean(rig, outcome);
    }

    private static BackendRig Rig()
    {
        var rig = new BackendRig();
        rig.Options = rig.Options with
        {
            Secrets = new Dictionary<string, string> { ["asked"] = OfRequest, ["unused"] = Unused },
            AgentEnvironment = [new("AGENT_KEY", OfAgentEnvironment), new("FORMS", rig.Temp.Write("forms", string.Join('\n', Canaries.SelectMany(Forms)) + "\n")), new("SHORT_TOKEN", "abc")],
            SetupCommand = $"git init -q . && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m base; echo FILE_TOKEN={OfEnvironmentFile} >>\"$OZ_ENVIRONMENT_FILE\"; echo \"out $ASKED\"; echo \"err $ASKED\" >&2",
        };
        return rig;
    }

    private static RunRequest Request() => new() { Prompt = "x", Env = new Dictionary<string, RunVariable> { ["ASKED"] = RunVariable.FromSecret("asked") } };

    private static IEnumerable<string> Forms(string secret)
    {
        yield return secret;
        yield return Uri.EscapeDataString(secret);
        yield return System.Net.WebUtility.UrlEncode(secret);
        yield return JsonSerializer.Serialize(secret)[1..^1];
        yield return JsonSerializer.Serialize(secret, Relaxed)[1..^1];
        yield return secret.Replace("'", "'\\''", StringComparison.Ordinal);
        foreach (var before in (string[])["", "u:", "us:"])
        {
            yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(before + secret));
            yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(before + secret)).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        }
    }

    private static JsonSerializerOptions Relaxed { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static void AssertClean(BackendRig rig, AttemptOutcome outcome)
    {
        // As it stands in JSON and as it was before that.
        var texts = rig.Blobs.Names.SelectMany(name => (string[])[name, rig.Blobs.Text(name), Decoded(rig.Blobs.Text(name))])
            .Append(JsonSerializer.Serialize(outcome, RunJson.Wire.AttemptOutcome)).ToList();
        Assert.Contains(texts, text => text.Contains("***", StringComparison.Ordinal));
        foreach (var form in Canaries.SelectMany(Forms).Distinct())
        {
            // The edges of base64 hold bits of what stands around; the middle must be gone.
            var core = form.Length > 12 ? form[4..^4] : form;
            Assert.All(texts, text => Assert.DoesNotContain(core, text, StringComparison.Ordinal));
        }
    }

    private static string Decoded(string text) => string.Concat(text.Split('\n').Select(line =>
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.TryGetProperty("m", out var message) ? message.GetString() + "\n" : "";
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return "";
        }
    }));
}
