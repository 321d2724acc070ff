using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// Guarantee 8 as a whole: a secret set in every way there is, printed by every command in every form, put into files, names, patches, links and errors,
/// across a killed host; then every byte that left the private directories is searched for it.
/// </summary>
public sealed class CanaryTests
{
    private const string Setup = """
        echo "WRITTEN_TOKEN=$(cat "${MARKS%/marks}/written")" >>"$OZ_ENVIRONMENT_FILE"
        printf 'BLOCK_PASSWORD<<END\nfirst-line-of-block\n%s\nEND\n' "$(cat "${MARKS%/marks}/block")" >>"$OZ_ENVIRONMENT_FILE"
        git init -q . && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m base
        for v in "$ASKED" "$ALL_TOKEN" "$FLAG_TOKEN" "$INHERITED_TOKEN" "$PLAIN_NAME"; do echo "setup $v"; echo "setup error $v" >&2; printf %s "$v" | base64 -w0; echo; done
        [ "$MODE" != setup-fails ] || { echo "cannot go on with $ASKED" >&2; exit 9; }
        [ "$MODE" != broken-file ] || { printf 'ANOTHER_TOKEN="%s\n' "$ASKED" >>"$OZ_ENVIRONMENT_FILE"; }
        """;

    private const string Agent = """
        if [ "$1" = --version ]; then
            echo "1.0 $SOURCE_OF_ONE$UNUSED_SOURCE$INHERITED_TOKEN$FLAG_HOST_TOKEN$SOME_CONNECTION_STRING$WARP_API_KEY$KEY_OF_API$(cat "${0%/*}/secrets-file") as $(id -u)"
            exit 0
        fi
        for v in "$ASKED" "$ALL_TOKEN" "$AGENT_ONLY" "$FLAG_TOKEN" "$INHERITED_TOKEN" "$PLAIN_NAME" "$WRITTEN_TOKEN" "$WARP_API_KEY"; do
            [ -n "$v" ] || { echo "a canary is missing"; exit 99; }
            half=$(( ${#v} / 2 ))
            echo "agent $v"; echo "agent error $v" >&2
            printf %s "$v" | base64 -w0; echo; printf 'a%s' "$v" | base64 -w0; echo; printf 'ab%s' "$v" | base64 -w0; echo
            printf 'split '; printf %s "$v" | head -c $half; sleep 0.05; printf '%s\n' "$(printf %s "$v" | tail -c +$((half + 1)))"
            printf '{"type":"agent","text":"it is %s"}\n' "$v"
            echo "in a file $v" >>"$OZ_ARTIFACTS_DIR/report.md"
            echo "in a change $v" >>changed
            echo x >"$OZ_ARTIFACTS_DIR/named-$v"; echo x >"new-$v"
            git -c user.name=t -c user.email=t@t commit -q --allow-empty -m "message $v"
            echo "Created PR: https://example.com/pull?t=$v (branch: b-$v)"
        done
        echo "a block: $BLOCK_PASSWORD"; printf %s "$BLOCK_PASSWORD" | base64 -w0; echo; printf '%s\n' "$BLOCK_PASSWORD" >"$OZ_ARTIFACTS_DIR/block.txt"
        git log --format=%s; cat "${MARKS%/marks}/forms"; cp "${MARKS%/marks}/forms" "$OZ_ARTIFACTS_DIR/forms.txt"; cp "${MARKS%/marks}/forms" glob.txt
        for argument in "$@"; do case $argument in --mcp=*) cat "${argument#--mcp=}"; echo ;; esac; done
        printf 'before the kill %s' "$(printf %s "$WRITTEN_TOKEN" | head -c 9)"
        : >"$MARKS/waiting-$MODE"
        while [ ! -e "$MARKS/go" ]; do sleep 0.05; done
        printf '%s after the kill\n' "$(printf %s "$WRITTEN_TOKEN" | tail -c +10)"
        echo "The agent got stuck waiting for user confirmation on the action: use $ASKED and $WRITTEN_TOKEN" >&2
        exit 1
        """;

    private const string Teardown = """
        for v in "$ASKED" "$ALL_TOKEN" "$FLAG_TOKEN" "$INHERITED_TOKEN" "$PLAIN_NAME"; do echo "teardown $v"; printf 'x%s' "$v" | base64 -w0; echo; done
        cat "$OZ_WORKSPACE_ROOT/changed"; cat "${MARKS%/marks}/forms"
        echo "teardown fails with $ASKED" >&2
        exit 4
        """;

    /// <summary>Every way to set one. What is not given to a run stands in the file of forms, as an agent could find it anywhere.</summary>
    private static readonly string[] Ways =
    [
        "secrets-file", "secrets-env", "secrets-unused", "environment-file", "environment-host", "environment-plain-name", "agent-environment", "flag-value", "flag-host", "host-secret-named",
        "host-key", "mcp", "written", "block", "webhook", "event", "api-key",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData(RunsAs.Tests)]
    [InlineData(RunsAs.OtherAccount)]
    public async Task No_byte_that_left_the_private_directories_shows_a_secret_however_it_was_set(RunsAs who)
    {
        Assert.SkipWhen(who != RunsAs.Tests && !OneMachine.CanDropRights, "Only root can run commands as another account.");
        await using var machine = new OneMachine(Agent, who: who);
        var values = Ways.ToDictionary(way => way, way => $"cn-{way}+{Guid.NewGuid():N}=&'x\"{way[^3..]}");
        values["written"] = values["written"].Replace("'", "", StringComparison.Ordinal).Replace("\"", "", StringComparison.Ordinal);
        foreach (var way in (string[])["webhook", "event"])
        {
            values[way] = "whsec_" + Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
        }

        var canaries = values.Select(way => new Canary(way.Key, way.Value)).ToList();
        foreach (var way in (string[])["secrets-file", "environment-file", "environment-plain-name", "agent-environment", "written", "block", "mcp", "webhook", "event"])
        {
            await File.WriteAllTextAsync(machine[way], values[way], Cancellation);
        }

        await File.WriteAllTextAsync(machine["forms"], string.Join('\n', values.Where(way => way.Key != "block").Select(way => way.Value).SelectMany(Forms)) + "\n", Cancellation);
        foreach (var (name, script) in new[] { ("setup.sh", Setup), ("teardown.sh", Teardown) })
        {
            await File.WriteAllTextAsync(machine[name], script, Cancellation);
        }

        await ConfigureAsync(machine);
        Dictionary<string, string?> host = new()
        {
            ["SOURCE_OF_ONE"] = values["secrets-env"],
            ["UNUSED_SOURCE"] = values["secrets-unused"],
            ["INHERITED_TOKEN"] = values["environment-host"],
            ["FLAG_HOST_TOKEN"] = values["flag-host"],
            ["SOME_CONNECTION_STRING"] = values["host-secret-named"],
            ["WARP_API_KEY"] = values["host-key"],
            ["KEY_OF_API"] = values["api-key"],
        };
        string[] worker = ["--log-level", "debug", "-e", "FLAG_TOKEN=" + values["flag-value"], "-e", "FLAG_HOST_TOKEN"];
        var first = machine.StartWorker(host, worker);
        string[] asking = ["--secret", "ASKED=one", "--secret", "FROM_ENV_TOKEN=two", "--artifact", "glob.txt", "--mcp", """{"mcpServers":{"m":{"command":"x","env":{"M_TOKEN":"${secret:three}"}}}}"""];
        var main = await machine.RunAsync(Cancellation, ["-p", "main", "--env", "MODE=main", .. asking]);
        var fails = await machine.RunAsync(Cancellation, ["-p", "setup fails", "--env", "MODE=setup-fails", .. asking]);
        var broken = await machine.RunAsync(Cancellation, ["-p", "broken file", "--env", "MODE=broken-file", .. asking]);
        var waits = Path.Join(machine.Marks, "waiting-main");
        await OneMachine.WaitAsync(() => File.Exists(waits) || first.HasExited, Cancellation);
        Assert.True(File.Exists(waits), string.Join('\n', first.Errors));
        await first.KillAsync();
        var second = machine.StartWorker(host, [.. worker, "--log-format", "json"]);
        await File.WriteAllTextAsync(Path.Join(machine.Marks, "go"), "", Cancellation);

        var record = await machine.UntilTerminalAsync(main, Cancellation);
        Assert.True(record.Reason == RunReason.AgentBlocked, record.Message);
        Assert.Equal(RunReason.SetupCommand, (await machine.UntilTerminalAsync(fails, Cancellation)).Reason);
        Assert.Equal(RunReason.EnvironmentFile, (await machine.UntilTerminalAsync(broken, Cancellation)).Reason);

        // An agent that a busy machine keeps from answering within five seconds is asked again for the next run.
        var version = record.CurrentAttempt!.AgentVersion;
        while (version is null)
        {
            var again = await machine.RunAsync(Cancellation, ["-p", "again", "--env", "MODE=again", .. asking]);
            version = (await machine.UntilTerminalAsync(again, Cancellation)).CurrentAttempt!.AgentVersion;
        }

        await machine.AssertNothingLeftAsync(Cancellation);

        var texts = new Dictionary<string, string>
        {
            ["log of the first host"] = string.Join('\n', first.Errors.Concat(first.Output)),
            ["log of the second host"] = string.Join('\n', second.Errors.Concat(second.Output)),
        };
        foreach (var command in (string[][])[["runs", "list"], ["runs", "get", main.Value], ["runs", "get", main.Value, "--output", "json"], ["runs", "logs", main.Value], ["runs", "logs", main.Value, "--raw"], ["runs", "logs", broken.Value],
            ["runs", "artifacts", main.Value, "--download", machine["downloaded"]], ["events", "--output", "json"], ["config", "show", "--config-file", machine.Config], ["doctor", "--config-file", machine.Config]])
        {
            var (_, output, errors) = await machine.OzfAsync(Cancellation, host, command);
            texts[string.Join(' ', command)] = output + errors;
        }

        foreach (var file in Directory.EnumerateFiles(machine.Data, "*", SearchOption.AllDirectories).Concat(Directory.EnumerateFiles(machine.Workspaces, "*", SearchOption.AllDirectories)).Concat(Directory.EnumerateFiles(machine["downloaded"], "*", SearchOption.AllDirectories)))
        {
            texts[file] = file + "\n" + (Path.GetFileName(file) == "ozf-shim" ? "" : await File.ReadAllTextAsync(file, Encoding.UTF8, Cancellation));
        }

        (machine.Check([main, fails, broken]) with { Canaries = canaries, Texts = texts, Executions = null, Teardowns = null }).AssertAllHold();

        // It was all there: masked, not missing. And whoever may write the agent's file gets no more than the agent by being asked for its version.
        Assert.Equal($"1.0 *** as {await AccountAsync(who)}", version);
        var log = await File.ReadAllTextAsync(Path.Join(machine.Data, "ozfunctions", RunBlobs.Log(main, 1)), Cancellation);
        Assert.DoesNotContain("a canary is missing", log, StringComparison.Ordinal);
        foreach (var (line, times) in new[] { ("\"setup ***\"", 5), ("\"setup error ***\"", 5), ("\"agent ***\"", 8), ("\"agent error ***\"", 8), ("\"split ***\"", 8), ("\"message ***\"", 8), ("\"teardown ***\"", 5), ("\"before the kill *** after the kill\"", 1), ("\"in a change ***\"", 8) })
        {
            Assert.True(log.Split(line).Length - 1 == times, $"{line} stands {log.Split(line).Length - 1} times in\n{log}");
        }

        Assert.Contains("***", record.Message, StringComparison.Ordinal);
        Assert.All(record.CurrentAttempt!.PullRequests!, link => Assert.Equal(new PullRequest("https://example.com/pull?t=***", "b-***"), link));
        var manifest = machine.Check([]).Store.Find(RunBlobs.Manifest(main, 1))!;
        Assert.Contains("\"masked\":8", Encoding.UTF8.GetString(manifest), StringComparison.Ordinal);
        Assert.Contains("named-***", Encoding.UTF8.GetString(manifest), StringComparison.Ordinal);
        Assert.Contains("in a change ***", await File.ReadAllTextAsync(Path.Join(machine["downloaded"], "changes.patch"), Cancellation), StringComparison.Ordinal);
    }

    private static async Task<string> AccountAsync(RunsAs who) =>
        (await TestProcess.RunAsync("/usr/bin/id", who == RunsAs.OtherAccount ? ["-u", "nobody"] : ["-u"], Cancellation, OneMachine.Clean)).Output.Trim();

    private static async Task ConfigureAsync(OneMachine machine)
    {
        var config = await File.ReadAllTextAsync(machine.Config, Cancellation);
        config += $$"""

                setup_command: '. "${MARKS%/marks}/setup.sh"'
                teardown_command: '. "${MARKS%/marks}/teardown.sh"'
                agent_environment:
                  - { name: AGENT_ONLY, value: { file: {{machine["agent-environment"]}} } }
                  - { name: WARP_API_KEY }
            secrets:
              - { name: one, file: {{machine["secrets-file"]}} }
              - { name: two, env: SOURCE_OF_ONE }
              - { name: three, file: {{machine["mcp"]}} }
              - { name: unused, env: UNUSED_SOURCE }
            webhooks:
              - { name: hook, kind: standard, secret: { file: {{machine["webhook"]}} }, request: { prompt: x } }
            events:
              - { name: oz-events, queue: oz-events }
              - { name: sink, url: "https://127.0.0.1:9/x", secret: { file: {{machine["event"]}} }, kinds: [queued] }
            api_keys:
              - { name: ci, env: KEY_OF_API }
            """;
        config = config.Replace("environment:\n      - name: MARKS", $$"""
            environment:
                  - { name: ALL_TOKEN, value: { file: {{machine["environment-file"]}} } }
                  - { name: PLAIN_NAME, value: { file: {{machine["environment-plain-name"]}} } }
                  - { name: INHERITED_TOKEN }
                  - name: MARKS
            """.Trim(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(machine.Config, config, Cancellation);
    }

    private static IEnumerable<string> Forms(string value)
    {
        JsonSerializerOptions relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        yield return value;
        yield return Uri.EscapeDataString(value);
        yield return System.Net.WebUtility.UrlEncode(value);
        yield return JsonSerializer.Serialize(value);
        yield return JsonSerializer.Serialize(value, relaxed);
        yield return JsonSerializer.Serialize(new Dictionary<string, string> { ["inner"] = JsonSerializer.Serialize(value, relaxed) }, relaxed);
        yield return "'" + value.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
        foreach (var before in (string[])["", "a", "ab"])
        {
            yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(before + value + "\n"));
            yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(before + value)).Replace('+', '-').Replace('/', '_');
        }
    }
}
