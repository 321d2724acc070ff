using System.Text.Json;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary><c>ozf exec</c> as real processes (seed "Unmanaged architecture").</summary>
public class ExecTests
{
    private protected const int Limit = 600_000;

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private protected virtual OzfProcessRig NewRig() => new();

    [Fact(Timeout = Limit)]
    public async Task Output_comes_through_byte_for_byte_and_the_exit_code_is_the_agents()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", """
            printf 'out\377\000\033[31mred' ; printf 'err\376no newline' >&2 ; exit 7
            """);

        var (code, output, error) = await rig.RawAsync($"ozf exec --agent-command {agent}");

        Assert.Equal(7, code);
        Assert.Equal("out\u00ff\0\u001b[31mred", output);
        Assert.Equal("err\u00feno newline", error);
        var run = await rig.LastRunAsync();
        Assert.Equal(("FAILED", "agent_invocation", "exec"), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString(), run.GetProperty("trigger").GetProperty("kind").GetString()));
        Assert.Equal("io.ozfunctions.run.completed.v1", run.GetProperty("event").GetProperty("type").GetString());
        var log = await rig.RunAsync("runs", "logs", run.GetProperty("run_id").GetString()!);
        Assert.Contains("no newline", log.Output, StringComparison.Ordinal);
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task The_agent_gets_the_callers_environment_and_directory_and_the_log_masks_its_secrets()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", """echo "$WARP_API_KEY in $PWD with $PLAIN, $TMPDIR"; echo "OZ_RUN_ID=$OZ_RUN_ID" """);
        var directory = Path.Combine(rig.Place, "work");
        Directory.CreateDirectory(directory);

        var (code, output, _) = await rig.RawAsync(
            $"WARP_API_KEY=wk-very-secret-value-1 PLAIN=plain OZ_RUN_ID=outer TMPDIR={rig.Place} ozf exec --cwd work --agent-command {agent}");

        Assert.Equal(0, code);
        Assert.Equal($"wk-very-secret-value-1 in {directory} with plain, {rig.Place}\nOZ_RUN_ID=outer\n", output);
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory));
        var run = await rig.LastRunAsync();
        var log = await rig.RunAsync("runs", "logs", "--raw", run.GetProperty("run_id").GetString()!);
        Assert.DoesNotContain("wk-very-secret-value-1", log.Output, StringComparison.Ordinal);
        Assert.Contains("with plain", log.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Flags_reach_the_agent_by_their_names_and_nothing_is_added()
    {
        await using var rig = NewRig();
        var agent = rig.Script("oz", """for a in "$@"; do printf '%s\n' "$a"; done""");

        var (code, output, error) = await rig.RawAsync(
            $"PATH={rig.Place}:$PATH OZF_CONFIG= ozf exec -p 'do it, please' --share --share team --share team:view --share team:edit --share a@b.de --share a@b.de:edit --model m1 -n nightly --profile p1 --no-snapshot --debug --idle-on-fail --mcp-startup-timeout 5 --output-format text -- --new-flag 'with space'");

        Assert.True(code == 0, error);
        Assert.Equal(
            [
                "agent", "run", "--prompt=do it, please", "--model=m1", "--name=nightly", "--profile=p1", "--share", "--share=team", "--share=team:view", "--share=team:edit", "--share=a@b.de", "--share=a@b.de:edit",
                "--output-format=text", "--mcp-startup-timeout=5", "--idle-on-fail", "--no-snapshot", "--debug", "--new-flag", "with space",
            ],
            output.TrimEnd('\n').Split('\n'));

        var saved = await rig.RawAsync($"PATH={rig.Place}:$PATH OZF_CONFIG= ozf exec --saved-prompt sp-1 --skill org/repo:fix --environment e-1 --mcp 3f0c");
        Assert.Equal("agent\nrun\n--saved-prompt=sp-1\n--skill=org/repo:fix\n--mcp=3f0c\n--environment=e-1\n", saved.Output);

        foreach (var (idle, told) in new[] { (" '1h 30m'", "1h30m"), (" 10min", "10m"), ("", "45m") })
        {
            var stays = await rig.RawAsync($"PATH={rig.Place}:$PATH OZF_CONFIG= ozf exec -p x --idle-on-complete{idle}");
            Assert.Equal((0, $"agent\nrun\n--prompt=x\n--idle-on-complete={told}\n"), (stays.ExitCode, stays.Output));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Files_named_by_flags_are_looked_for_where_the_caller_is_also_with_another_directory_for_the_agent()
    {
        await using var rig = NewRig();
        rig.Script("oz", """printf '%s\n' "$PWD" "$@" """);
        Directory.CreateDirectory(Path.Combine(rig.Place, "work"));
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "servers.json"), "{}", Cancellation);

        var (code, output, error) = await rig.RawAsync(
            $"PATH={rig.Place}:$PATH OZF_CONFIG= ozf exec -p x --cwd work --file agent.yaml --mcp servers.json --mcp 3f0c --mcp {rig.Place}/servers.json");

        Assert.True(code == 0, error);
        Assert.Equal(
            [
                rig.Place + "/work", "agent", "run", "--prompt=x", $"--mcp={rig.Place}/servers.json", "--mcp=3f0c", $"--mcp={rig.Place}/servers.json", $"--file={rig.Place}/agent.yaml",
            ],
            output.TrimEnd('\n').Split('\n'));
    }

    [Fact(Timeout = Limit)]
    public async Task Secrets_of_a_worker_that_the_caller_cannot_read_keep_no_agent_from_running_and_the_others_are_masked()
    {
        await using var rig = NewRig();
        var configuration = Path.Combine(rig.Place, "ozf.yaml");
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "there.txt"), "value-of-the-worker", Cancellation);
        await File.AppendAllTextAsync(
            configuration,
            $$"""

                environment: [{name: SETUP_TOKEN, value: {env: NOT_THERE} }]
                agent_environment: [{name: WARP_API_KEY, value: {file: {{rig.Place}}/missing} }, {name: OTHER, value: {file: {{rig.Place}}/there.txt} }]
            api_keys: [{name: ci, file: {{rig.Place}}/missing}]
            webhooks: [{name: issues, kind: token, secret: {env: NOT_THERE}, request: {prompt: x} }]
            """,
            Cancellation);

        var exec = await rig.RawAsync("ozf exec --agent-command 'echo value-of-the-worker'");
        var sync = await rig.RawAsync("ozf sync");

        Assert.Equal((0, "value-of-the-worker\n", ""), exec);
        Assert.True(sync.ExitCode == 0, sync.Error);
        var log = await rig.RunAsync("runs", "logs", "--raw", (await rig.LastRunAsync()).GetProperty("run_id").GetString()!);
        Assert.DoesNotContain("value-of-the-worker", log.Output, StringComparison.Ordinal);

        await File.AppendAllTextAsync(configuration, $"\nsecrets: [{"{"}name: gh, file: {rig.Place}/missing{"}"}]\n", Cancellation);
        var refused = await rig.RawAsync("ozf exec --agent-command 'echo ran'");
        Assert.Equal((64, ""), (refused.ExitCode, refused.Output));
        Assert.Contains("secrets.gh", refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("backend.direct", refused.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_given_as_a_flag_is_in_the_environment_only()
    {
        await using var rig = NewRig();
        rig.Script("oz", """printf '%s\n' "$WARP_API_KEY" "$@" """);

        var (code, output, _) = await rig.RawAsync($"PATH={rig.Place}:$PATH OZF_CONFIG= ozf exec -p x --api-key wk-flag-key-value");

        Assert.Equal(0, code);
        Assert.Equal("wk-flag-key-value\nagent\nrun\n--prompt=x\n", output);
    }

    [Fact(Timeout = Limit)]
    public async Task A_secret_of_a_server_comes_by_reference_and_a_literal_is_refused_with_the_way_out()
    {
        await using var rig = NewRig();
        rig.Script("oz", """for a in "$@"; do case $a in --mcp=*) cat "${a#--mcp=}" ;; esac; done""");
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), $"\nsecrets: [{"{"}name: gh, file: {rig.Place}/gh.txt{"}"}]\n", Cancellation);
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "gh.txt"), "ghp_of_the_caller", Cancellation);
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "servers.json"), """{"c": {"env": {"GITHUB_TOKEN": "ghp_in_the_file"}}}""", Cancellation);
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), (await File.ReadAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), Cancellation)).Replace(Path.Combine(AppContext.BaseDirectory, "fake-oz"), rig.Place + "/oz", StringComparison.Ordinal), Cancellation);

        var literal = await rig.RawAsync("""ozf exec -p x --mcp '{"a": {"env": {"GITHUB_TOKEN": "ghp_written_out"}}}'""");
        var references = await rig.RawAsync("""ozf exec -p x --mcp '{"a": {"env": {"GITHUB_TOKEN": "${secret:gh}"}}}' --mcp '{"b": {"env": {"GITHUB_TOKEN": "${GITHUB_TOKEN}"}, "headers": {"Authorization": "Bearer ${TOKEN}"}}}' --mcp servers.json""");

        Assert.Equal(64, literal.ExitCode);
        Assert.Contains("secrets[] of the configuration", literal.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("ghp_written_out", literal.Error, StringComparison.Ordinal);
        Assert.True(references.ExitCode == 0, references.Error);
        foreach (var expected in (string[])["ghp_of_the_caller", "${GITHUB_TOKEN}", "Bearer ${TOKEN}", "ghp_in_the_file"])
        {
            Assert.Contains(expected, references.Output, StringComparison.Ordinal);
        }

        var stored = await rig.LastRunAsync();
        Assert.DoesNotContain("ghp_", stored.ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Other_agents_are_called_in_their_own_way()
    {
        await using var rig = NewRig();
        foreach (var name in (string[])["claude", "codex", "gemini"])
        {
            rig.Script(name, """printf '%s|' "${0##*/}" "$@" """);
        }

        var path = $"PATH={rig.Place}:$PATH";
        var claude = await rig.RawAsync($"{path} ozf exec --agent claude -p 'hi there' --model opus -- --verbose");
        var codex = await rig.RawAsync($"{path} ozf exec --agent codex -p hi");
        var gemini = await rig.RawAsync($"{path} ozf exec --agent gemini -p hi");
        var own = await rig.RawAsync($"{path} ozf exec --agent-command \"sh -c 'printf %s \\\"\\$1\\\"' x 'say {{prompt}} twice'\" -p hi");
        var wrong = await rig.RawAsync($"{path} ozf exec --agent codex -p hi --share team");

        Assert.Equal("claude|--model|opus|-p|--verbose|--|hi there|", claude.Output);
        Assert.Equal("codex|exec|--|hi|", codex.Output);
        Assert.Equal("gemini|--prompt=hi|", gemini.Output);

        // A prompt may be a list in Markdown, or speak of an option.
        foreach (var (name, arguments) in new[] { ("claude", "-p|--verbose|--|- [ ] one|"), ("codex", "exec|--verbose|--|- [ ] one|"), ("gemini", "--prompt=- [ ] one|--verbose|") })
        {
            Assert.Equal($"{name}|{arguments}", (await rig.RawAsync($"{path} ozf exec --agent {name} --prompt='- [ ] one' -- --verbose")).Output);
        }

        Assert.Equal("say hi twice", own.Output);
        Assert.Equal(64, wrong.ExitCode);
        Assert.Contains("only oz knows --share", wrong.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task An_agent_ended_by_a_signal_is_128_and_its_number()
    {
        await using var rig = NewRig();

        var killed = await rig.RawAsync("ozf exec --agent-command \"sh -c 'kill -9 \\$\\$'\"");
        var missing = await rig.RawAsync("ozf exec --agent-command /nonexistent/agent");

        Assert.Equal(137, killed.ExitCode);
        Assert.Equal(69, missing.ExitCode);
        Assert.Contains("/nonexistent/agent", missing.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Ctrl_C_once_lets_the_agent_clean_up_and_twice_does_not()
    {
        await using var rig = NewRig();

        // Time enough for its last words on a machine that is busy.
        var configuration = Path.Combine(rig.Place, "ozf.yaml");
        await File.WriteAllTextAsync(configuration, (await File.ReadAllTextAsync(configuration, Cancellation)).Replace("stop_grace: 2s", "stop_grace: 1m", StringComparison.Ordinal), Cancellation);
        var soft = rig.Script("soft.sh", """
            trap 'echo cleaned; exit 0' INT
            echo ready
            while :; do sleep 0.1; done
            """);
        var stubborn = rig.Script("stubborn.sh", """
            trap 'echo ignored' INT
            trap '' TERM
            echo ready
            while :; do sleep 0.1; done
            """);

        var first = rig.Start("exec", "--agent-command", soft);
        await first.WaitForLineAsync("ready", Cancellation);
        first.Signal(Signals.Interrupt);
        Assert.Equal(130, await first.WaitForExitAsync(Cancellation));
        Assert.Contains("cleaned", first.Output);
        Assert.DoesNotContain(first.Errors, line => line.StartsWith("ozf: ", StringComparison.Ordinal));
        var run = await rig.LastRunAsync();
        Assert.Equal(("CANCELLED", 0), (run.GetProperty("state").GetString(), run.GetProperty("attempts")[0].GetProperty("exit_code").GetInt32()));

        var second = rig.Start(["exec", "--agent-command", stubborn], new() { ["OZF_CONFIG"] = "" });
        await second.WaitForLineAsync("ready", Cancellation);
        second.Signal(Signals.Interrupt);
        await second.WaitForLineAsync("ignored", Cancellation);
        second.Signal(Signals.Interrupt);
        Assert.Equal(130, await second.WaitForExitAsync(Cancellation));
        Assert.Equal("SIGKILL", (await rig.LastRunAsync()).GetProperty("attempts")[0].GetProperty("signal").GetString());
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public virtual async Task The_agent_ends_when_its_exec_is_killed_and_the_next_command_settles_the_run()
    {
        await using var rig = NewRig();
        var exec = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"));
        await exec.WaitForLineAsync("ready", Cancellation);

        await exec.KillAsync();
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
        var before = await rig.LastRunAsync();
        Assert.Equal("INPROGRESS", before.GetProperty("state").GetString());
        var sync = await rig.RunAsync("sync");

        Assert.True(sync.ExitCode == 0, sync.Error);
        var run = await rig.LastRunAsync();
        Assert.Equal(("ERROR", "host_lost"), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString()));
        Assert.Equal(1, run.GetProperty("starts").GetInt32());
        Assert.True(run.GetProperty("attempts")[0].GetProperty("log").GetProperty("sealed").GetBoolean());
        Assert.DoesNotContain(Directory.EnumerateDirectories(Path.Combine(rig.Data, "exec", ".ozf")), path => Path.GetFileName(path) != "bin");
    }

    [Fact(Timeout = Limit)]
    public async Task A_store_that_is_away_keeps_no_agent_from_running_and_gets_the_run_later()
    {
        await using var rig = NewRig();
        await File.WriteAllTextAsync(rig.Data, "in the way", Cancellation);
        var agent = rig.Script("agent.sh", """echo worked; echo kept > "$OZ_ARTIFACTS_DIR/notes.txt"; exit 5""");

        var exec = await rig.RawAsync($"ozf exec --agent-command {agent} --result-file result.json");

        Assert.Equal((5, "worked\n"), (exec.ExitCode, exec.Output));
        Assert.Contains("warning: the store cannot be reached", exec.Error, StringComparison.Ordinal);
        Assert.Contains("ozf sync", exec.Error, StringComparison.Ordinal);
        var result = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(rig.Place, "result.json"), Cancellation)).RootElement;
        Assert.True(result.GetProperty("spooled").GetBoolean());
        var id = result.GetProperty("run_id").GetString()!;

        File.Delete(rig.Data);
        var sync = await rig.RunAsync("sync");

        Assert.Equal((0, id), (sync.ExitCode, sync.Output));
        var run = await rig.GetAsync(id);
        Assert.Equal("FAILED", run.GetProperty("state").GetString());
        Assert.Contains("worked", (await rig.RunAsync("runs", "logs", id)).Output, StringComparison.Ordinal);
        var events = await rig.RunAsync("events", "--output", "json");
        Assert.Single(events.Output.Split('\n'), line => line.Contains($"{id}:1:completed", StringComparison.Ordinal));
        Assert.Equal(0, (await rig.RunAsync("runs", "artifacts", id, "--download", Path.Combine(rig.Place, "got"))).ExitCode);
        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(rig.Place, "got", "notes.txt"), Cancellation));
        Assert.Equal("", (await rig.RunAsync("sync")).Output);
    }

    [Fact(Timeout = Limit)]
    public async Task A_spool_that_cannot_be_opened_is_named_and_keeps_no_run_of_another_from_being_sent()
    {
        await using var rig = NewRig();
        await File.WriteAllTextAsync(rig.Data, "in the way", Cancellation);
        var exec = await rig.RawAsync("ozf exec --agent-command 'echo worked' --result-file result.json");
        Assert.True(exec.ExitCode == 0, exec.Error);
        var id = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(rig.Place, "result.json"), Cancellation)).RootElement.GetProperty("run_id").GetString()!;

        // Looked at before the one in the temporary directory, which holds the run.
        File.Delete(rig.Data);
        var broken = Path.Combine(rig.Data, "exec-spool");
        Directory.CreateDirectory(rig.Data, (UnixFileMode)0x1C0);
        Directory.CreateDirectory(broken, (UnixFileMode)0x1C0);
        await File.WriteAllTextAsync(Path.Combine(broken, "store.json"), "no json", Cancellation);
        var sync = await rig.RunAsync("sync");

        Assert.Equal((69, id), (sync.ExitCode, sync.Output));
        Assert.Contains(broken, sync.Error, StringComparison.Ordinal);
        Assert.Equal("SUCCEEDED", (await rig.GetAsync(id)).GetProperty("state").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task A_place_of_this_machine_that_cannot_be_used_is_named_with_the_way_out_and_another_one_is_taken()
    {
        await using var rig = NewRig();
        var place = Path.Combine(rig.Data, "exec");
        Directory.CreateDirectory(rig.Data);
        foreach (var (spoil, rule, synced) in new (Action, string, int)[]
        {
            (() => File.WriteAllText(place, "in the way"), "cannot be made", 0),
            (() => { File.Delete(place); Directory.CreateDirectory(place, (UnixFileMode)0x1ED); }, "only this user can enter (chmod 700)", 69),
        })
        {
            spoil();

            var exec = await rig.RawAsync($"ozf exec --agent-command \"sh -c 'echo worked; exit 5'\"");

            Assert.Equal((5, "worked\n"), (exec.ExitCode, exec.Output));
            Assert.StartsWith($"warning: {place} ", exec.Error, StringComparison.Ordinal);
            Assert.Contains(rule, exec.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("store", exec.Error, StringComparison.Ordinal);
            Assert.Equal("FAILED", (await rig.LastRunAsync()).GetProperty("state").GetString());

            // What is cut off in the other place is settled too, and a place that cannot be used is not passed over in silence.
            var killed = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"));
            await killed.WaitForLineAsync("ready", Cancellation);
            await killed.KillAsync();
            Assert.Equal(synced, (await rig.RunAsync("sync")).ExitCode);
            Assert.Equal("host_lost", (await rig.LastRunAsync()).GetProperty("reason").GetString());
            await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
        }

        // What the other place still holds when this one can be used again is settled by the next call, and what is owed of it is sent.
        var last = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"));
        await last.WaitForLineAsync("ready", Cancellation);
        await last.KillAsync();
        File.SetUnixFileMode(place, (UnixFileMode)0x1C0);
        Assert.Equal(0, (await rig.RunAsync("exec", "--agent-command", "true")).ExitCode);
        Assert.Empty(OwedOf(rig));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    private static string[] OwedOf(OzfProcessRig rig) => Directory.GetFiles(Path.Combine(rig.Data, "ozfunctions", "active"));

    [Fact(Timeout = Limit)]
    public async Task A_run_that_was_kept_here_and_killed_is_settled_and_sent_by_the_next_call()
    {
        await using var rig = NewRig();
        await File.WriteAllTextAsync(rig.Data, "in the way", Cancellation);
        var exec = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"), "--title", "killed");
        await exec.WaitForLineAsync("ready", Cancellation);
        await exec.KillAsync();
        File.Delete(rig.Data);

        Assert.Equal(0, (await rig.RunAsync("exec", "--agent-command", "true")).ExitCode);

        var runs = JsonDocument.Parse((await rig.RunAsync("runs", "list", "--output", "json")).Output).RootElement.GetProperty("runs");
        var killed = Assert.Single(runs.EnumerateArray(), run => run.TryGetProperty("title", out var title) && title.GetString() == "killed");
        var record = await rig.GetAsync(killed.GetProperty("run_id").GetString()!);
        Assert.Equal(("ERROR", "host_lost"), (record.GetProperty("state").GetString(), record.GetProperty("reason").GetString()));
        Assert.Contains($"{killed.GetProperty("run_id").GetString()}:1:completed", (await rig.RunAsync("events", "--output", "json")).Output, StringComparison.Ordinal);
        Assert.Empty(OwedOf(rig));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(rig.Place, "tmp"), "*.ndjson", SearchOption.AllDirectories));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task A_result_file_is_refused_before_the_agent_starts_and_never_changes_its_exit_code()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", "mkdir later.json; echo worked; exit 5");

        var nowhere = await rig.RawAsync($"ozf exec --agent-command {agent} --result-file no/such/place.json");
        var taken = await rig.RawAsync($"ozf exec --agent-command {agent} --result-file later.json");
        var known = await rig.RawAsync($"ozf exec --agent-command {agent} --result-file later.json");

        // What an earlier call left is not taken for this one's.
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "earlier.json"), """{"state":"SUCCEEDED"}""", Cancellation);
        foreach (var line in (string[])["ozf exec --result-file earlier.json", "OZF_CONFIG=nowhere.yaml ozf exec -p x --result-file earlier.json", "ozf exec loose --result-file earlier.json", "ozf exec -p x --agent nobody --result-file earlier.json"])
        {
            Assert.Equal(64, (await rig.RawAsync(line)).ExitCode);
            Assert.False(File.Exists(Path.Combine(rig.Place, "earlier.json")), line);
            await File.WriteAllTextAsync(Path.Combine(rig.Place, "earlier.json"), "{}", Cancellation);
        }

        Assert.Equal((64, ""), (nowhere.ExitCode, nowhere.Output));
        Assert.Equal((5, "worked\n"), (taken.ExitCode, taken.Output));
        Assert.Contains("later.json could not be written", taken.Error, StringComparison.Ordinal);
        Assert.Equal((64, ""), (known.ExitCode, known.Output));
    }

    [Fact(Timeout = Limit)]
    public async Task While_it_runs_it_does_not_pass_for_a_host_that_takes_runs()
    {
        await using var rig = NewRig();
        var exec = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"));
        await exec.WaitForLineAsync("ready", Cancellation);

        var submitted = await rig.RunAsync("run", "-p", "x");
        var workers = await rig.RunAsync("workers", "list", "--output", "json");

        Assert.Equal(0, submitted.ExitCode);
        Assert.Contains("no live host serves worker 'local'", submitted.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("host_id", workers.Output, StringComparison.Ordinal);
        exec.Signal(Signals.Interrupt);
        Assert.Equal(130, await exec.WaitForExitAsync(Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task Without_a_named_store_one_line_says_where_the_run_is_kept()
    {
        await using var rig = NewRig();

        var (code, output, error) = await rig.RawAsync($"OZF_DATA= OZF_CONFIG= XDG_STATE_HOME={rig.Place}/state ozf exec --agent-command 'echo hi'");

        Assert.Equal((0, "hi\n"), (code, output));
        Assert.Matches($"^ozf: run [0-9a-f-]{{36}}, record and log in {rig.Place}/state/ozf\n$", error);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_is_cancelled_from_elsewhere_and_stopped_by_its_clock()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", "echo ready\nexec sleep 600");
        var exec = rig.Start("exec", "--agent-command", agent);
        await exec.WaitForLineAsync("ready", Cancellation);

        Assert.Equal(0, (await rig.RunAsync("runs", "cancel", (await rig.LastRunAsync()).GetProperty("run_id").GetString()!)).ExitCode);

        Assert.Equal(130, await exec.WaitForExitAsync(Cancellation));
        Assert.Equal(["ozf: The run was cancelled; the agent was stopped."], exec.Errors);

        // It may not have come to its first word within that second.
        var late = await rig.RunAsync("exec", "--timeout", "1s", "--agent-command", agent);
        Assert.Equal((1, "ozf: The agent ran longer than 1s and was stopped."), (late.ExitCode, late.Error));
        Assert.Equal("task_timeout", (await rig.LastRunAsync()).GetProperty("reason").GetString());
        var (code, _, error) = await rig.RunAsync("exec", "--silence-timeout", "1s", "--agent-command", agent);
        Assert.Equal(1, code);
        Assert.StartsWith("ozf: The agent wrote nothing for too long and was stopped", error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_worker_takes_for_the_end_of_its_agent_ends_no_agent_here()
    {
        await using var rig = NewRig();
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), "\n    finished_pattern: '^DONE$'\n    finished_grace: 2s\n", Cancellation);

        var exec = await rig.RawAsync($"ozf exec --agent-command {rig.Script("agent.sh", "echo DONE; sleep 4; echo more; exit 5")}");

        Assert.Equal((5, "DONE\nmore\n", ""), exec);
    }

    [Fact(Timeout = Limit)]
    public async Task A_policy_binds_it_as_it_binds_a_worker_and_the_caller_is_told()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", "echo ran");
        rig.Script("claude", "echo ran");
        var veto = rig.Script("veto.sh", "grep -q forbidden && { echo 'not on a Friday'; exit 3; }; exit 0");
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), $"\npolicy: {"{"}senders: ['*@example.com'], agents: [oz, agent.sh], veto_command: {veto}, max_timeout: 1h{"}"}\n", Cancellation);

        foreach (var (line, reason) in new[]
        {
            ($"USER=mallory ozf exec --agent-command {agent}", "policy.senders"),
            ($"USER=a@example.com PATH={rig.Place}:$PATH ozf exec --agent claude -p x", "does not run the agent claude"),
            ("USER=a@example.com ozf exec --agent-command 'echo ran'", "does not run the agent echo"),
            ($"USER=a@example.com ozf exec --title forbidden --agent-command {agent}", "not on a Friday"),
        })
        {
            var refused = await rig.RawAsync(line);
            Assert.Equal((1, ""), (refused.ExitCode, refused.Output));
            Assert.Contains(reason, refused.Error, StringComparison.Ordinal);
            var run = await rig.LastRunAsync();
            Assert.Equal(("FAILED", "policy_refused", 1), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString(), run.GetProperty("attempt").GetInt32()));
        }

        var allowed = await rig.RawAsync($"USER=a@example.com ozf exec --agent-command {agent}");
        Assert.Equal((0, "ran\n", ""), allowed);
    }

    [Fact(Timeout = Limit)]
    public async Task A_slip_on_the_command_line_starts_nothing()
    {
        await using var rig = NewRig();

        foreach (var (line, expected) in new[]
        {
            ("ozf exec", "at least one of prompt"),
            ("ozf exec 'do it'", "unknown argument 'do it'"),
            ("ozf exec -p x --fooo", "unknown flag '--fooo'"),
            ("ozf exec -p x --share nobody", "share"),
            ("ozf exec -p x --cwd nowhere", "does not exist"),
            ("ozf exec --agent-command \"sh -c 'open\"", "a quote is not closed"),
            ("ozf exec -p x --agent claude --agent-command 'echo ran'", "--agent and --agent-command"),
            ("ozf exec -p x --model opus --agent-command 'echo ran'", "--model"),
            ("ozf exec -p x --server http://127.0.0.1:1 --agent-command 'echo ran'", "leave --server out"),
            ("ozf sync --server http://127.0.0.1:1", "leave --server out"),
            ("ozf worker --server http://127.0.0.1:1", "leave --server out"),
            ("ozf up --port 0 --server http://127.0.0.1:1", "leave --server out"),
        })
        {
            var answer = await rig.RawAsync(line);
            Assert.True(answer.ExitCode == 64, line + answer.Error);
            Assert.Contains(expected, answer.Error, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(rig.Data));
    }
}
