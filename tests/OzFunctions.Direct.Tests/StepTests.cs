using System.Globalization;
using System.Text.Json;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>The nine steps of design section 8, each when it works and when it does not.</summary>
public sealed class StepTests
{
    [Fact(Timeout = 180_000)]
    public async Task Step_1_makes_a_private_workspace()
    {
        await using var rig = new BackendRig();
        rig.UseScript("pwd; stat -c %a . \"$TMPDIR\"; ls -A; echo $OZ_ARTIFACTS_DIR");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.Completed, RunState.Succeeded, 0), (outcome.Reason, outcome.Attempt.State, outcome.Attempt.ExitCode));
        Assert.Contains($"out: {rig.WorkspaceOf(attempt)}\nout: 700\nout: 700\nout: {rig.PrivateOf(attempt)}/artifacts\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
        Assert.Equal([ProtocolStep.C8, ProtocolStep.C10, ProtocolStep.S1, ProtocolStep.S2, ProtocolStep.S3, ProtocolStep.S4, ProtocolStep.S5, ProtocolStep.S6], attempt.Steps);
        Assert.True(attempt.StartNoted);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("directory")]
    [InlineData("file")]
    [InlineData("link")]
    public async Task Step_1_fails_when_something_is_in_the_place_of_the_workspace(string what)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"touch {rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("noop"));
        rig.Temp.Write("elsewhere/precious", "x");
        switch (what)
        {
            case "directory":
                rig.Temp.Write($"root/{attempt.Record.RunId}-1/precious", "x");
                break;
            case "file":
                rig.Temp.Write($"root/{attempt.Record.RunId}-1", "x");
                break;
            default:
                File.CreateSymbolicLink(rig.WorkspaceOf(attempt), rig.Temp["elsewhere"]);
                break;
        }

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.WorkspaceSetup, outcome.Reason);
        Assert.Contains("exists already", outcome.Message, StringComparison.Ordinal);
        Assert.True(Path.Exists(rig.WorkspaceOf(attempt)));
        Assert.True(File.Exists(rig.Temp["elsewhere/precious"]));
        Assert.Equal(what != "file", File.Exists(rig.WorkspaceOf(attempt) + "/precious"));
        Assert.False(File.Exists(rig.Temp["teardown"]));
        Assert.Equal(0, attempt.Starts);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_1_fails_when_the_root_cannot_be_written()
    {
        await using var rig = new BackendRig();
        rig.Temp.Write("file", "x");
        rig.Options = rig.Options with { WorkspaceRoot = rig.Temp["file/root"] };

        Assert.Contains("cannot be made", rig.CreateBackend().FindShortage(), StringComparison.Ordinal);
        Assert.ThrowsAny<IOException>(() => rig.Claim(BackendRig.Fake("noop")));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_2_setup_runs_in_the_workspace_with_its_variables()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = """echo made >file; echo "$OZ_WORKSPACE_ROOT|$OZ_RUN_ID|$OZ_WORKER_BACKEND|${WARP_API_KEY-none}|$PLAIN"; cat "$OZF_REQUEST_FILE"; stat -c %a "$OZF_REQUEST_FILE" "$OZ_ENVIRONMENT_FILE" """ };
        var attempt = rig.Claim(BackendRig.Fake("cat file; exit 0") with { Title = "a title", Env = new Dictionary<string, RunVariable> { ["PLAIN"] = RunVariable.Plain("p") } });

        var outcome = await rig.RunAsync(attempt);

        var log = rig.LogOf(attempt);
        Assert.True(outcome.Reason == RunReason.Completed, outcome.Message + log);
        Assert.Contains($"setup: {rig.WorkspaceOf(attempt)}|{attempt.Record.RunId}|direct|none|p\n", log, StringComparison.Ordinal);
        Assert.Contains("setup: 600\nsetup: 600\n", log, StringComparison.Ordinal);
        using var request = JsonDocument.Parse(log[log.IndexOf("setup: {", StringComparison.Ordinal)..].Split('\n')[0][7..]);
        Assert.Equal(("a title", "api", 1), (request.RootElement.GetProperty("title").GetString(), request.RootElement.GetProperty("trigger").GetProperty("kind").GetString(), request.RootElement.GetProperty("attempt").GetInt32()));
        Assert.NotNull(outcome.Attempt.Durations!.Setup);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_2_fails_when_setup_exits_with_7()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = "exit 7", TeardownCommand = $"echo \"$OZF_RUN_STATE $OZF_RUN_REASON [$OZF_EXIT_CODE]\" >{rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("noop"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.SetupCommand, "The setup command exited with code 7; the agent was not started."), (outcome.Reason, outcome.Message));
        Assert.Null(outcome.Attempt.ExitCode);
        Assert.Equal(0, attempt.Starts);
        Assert.Equal("FAILED setup_command []\n", File.ReadAllText(rig.Temp["teardown"]));
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_2_fails_when_setup_takes_too_long()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = "sleep 600 & wait" };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop") with { SetupTimeout = TimeSpan.FromMilliseconds(300) });

        Assert.Equal((RunReason.SetupTimeout, StoppedBy.Timeout), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_2_fails_at_the_policys_time_when_the_request_asks_for_more()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = "sleep 600 & wait", Policy = new RunPolicy { MaxTimeout = TimeSpan.FromSeconds(1) } };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop") with { SetupTimeout = TimeSpan.FromHours(1) });

        Assert.Equal((RunReason.SetupTimeout, StoppedBy.Timeout), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_3_the_environment_file_reaches_the_agent()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = """printf 'export A="one\\ntwo"\nB<<EOF\nx $A\nEOF\nOZF_RUN_ID=mine\n' >>"$OZ_ENVIRONMENT_FILE" """ };
        var attempt = rig.Claim(BackendRig.Fake("env A B OZF_RUN_ID"));

        var outcome = await rig.RunAsync(attempt);

        var log = rig.LogOf(attempt);
        Assert.Contains("env B=x $A", log, StringComparison.Ordinal);
        Assert.Contains($"OZF_RUN_ID={attempt.Record.RunId}", log, StringComparison.Ordinal);
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("OZF_RUN_ID", StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_3_fails_in_line_3_of_the_environment_file()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = """printf 'A=1\nB=2\nthis is wrong\n' >"$OZ_ENVIRONMENT_FILE" """, TeardownCommand = $"touch {rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("noop"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.EnvironmentFile, outcome.Reason);
        Assert.Contains("line 3", outcome.Message, StringComparison.Ordinal);
        Assert.Equal(0, attempt.Starts);
        Assert.True(File.Exists(rig.Temp["teardown"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_4_the_agent_gets_its_arguments_and_its_output_is_read()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake("run-id r-77; args; env OZ_RUN_ID WARP_API_KEY; pr https://git.example/pr/5 fix; session https://app.example/s/1") with { Share = ["team"], Model = "m" });

        var outcome = await rig.RunAsync(attempt);

        Assert.True(outcome.Reason == RunReason.Completed, outcome.Message);
        Assert.Equal("r-77", outcome.Attempt.OzRunId);
        Assert.Equal([new PullRequest("https://git.example/pr/5", "fix")], outcome.Attempt.PullRequests);
        Assert.NotNull(outcome.Attempt.SessionUrl);
        Assert.NotNull(outcome.Attempt.StartedAt);
        Assert.NotNull(outcome.Attempt.Durations!.Agent);
        Assert.True(outcome.Attempt.PeakMemoryBytes > 0);
        Assert.Contains("--output-format=json", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.DoesNotContain("wk-of-the-host", rig.LogOf(attempt), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_4_tells_an_agent_with_much_time_when_to_stop_by_itself()
    {
        await using var rig = new BackendRig();

        // An agent that is slow to say what it is has no less time for its work.
        rig.Options = rig.Options with
        {
            AsksVersion = true,
            VersionTimeout = TimeSpan.FromMinutes(2),
            OzPath = rig.Temp.Write("bin/oz", $"#!/bin/sh\n[ \"$1\" = --version ] && sleep 2 && date +%s >{rig.Temp["asked"]} && echo slow 1.0 && exit 0\necho $WARP_SANDBOX_DEADLINE $(date +%s)\n", executable: true),
        };
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Timeout = TimeSpan.FromMinutes(30) });

        await rig.RunAsync(attempt);

        var times = rig.LogOf(attempt).Split('\n').Single(line => line.StartsWith("out: ", StringComparison.Ordinal))[5..].Split(' ').Select(long.Parse).ToArray();
        Assert.InRange(times[0], long.Parse(File.ReadAllText(rig.Temp["asked"]), CultureInfo.InvariantCulture) + 1800 - 1 + 300, times[1] + 1800 - 1 + 300 + 1);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_4_fails_without_an_agent()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { OzPath = "/nonexistent/oz", TeardownCommand = $"touch {rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("noop"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.AgentNotFound, RunState.Error, 0), (outcome.Reason, outcome.Attempt.State, attempt.Starts));
        Assert.Contains("/nonexistent/oz does not exist", outcome.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(rig.Temp["teardown"]));
        Assert.Contains("/nonexistent/oz", rig.CreateBackend().FindShortage(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_4_fails_when_the_agent_is_not_executable()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { OzPath = rig.Temp.Write("oz", "#!/bin/sh\n") };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.Equal(RunReason.AgentNotFound, outcome.Reason);
        Assert.Contains("is not executable", outcome.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_4_fails_when_the_agent_cannot_be_executed()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { OzPath = rig.Temp.Write("oz", "no program at all", executable: true) };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.Equal((RunReason.AgentNotFound, null), (outcome.Reason, outcome.Attempt.StartedAt));
        Assert.StartsWith("The agent could not be executed: ", outcome.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_5_the_agents_own_end_is_the_outcome()
    {
        await using var rig = new BackendRig();

        var failed = await rig.RunAsync(BackendRig.Fake("exit 3"));
        var shot = await rig.RunAsync(BackendRig.Fake("signal KILL"));

        Assert.Equal((RunReason.AgentInvocation, 3, null, null), (failed.Reason, failed.Attempt.ExitCode, failed.Attempt.Signal, failed.Attempt.StoppedBy));
        Assert.Equal((RunReason.AgentInvocation, null, "SIGKILL", null), (shot.Reason, shot.Attempt.ExitCode, shot.Attempt.Signal, shot.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_5_fails_at_the_timeout_although_the_agent_leaves_with_0()
    {
        await using var rig = new BackendRig();

        var outcome = await rig.RunAsync(BackendRig.Fake("hang") with { Timeout = TimeSpan.FromSeconds(1) });

        Assert.Equal((RunReason.TaskTimeout, StoppedBy.Timeout), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_5_fails_at_the_policys_time_when_the_request_asks_for_more()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Policy = new RunPolicy { MaxTimeout = TimeSpan.FromSeconds(1) } };

        var outcome = await rig.RunAsync(BackendRig.Fake("hang") with { Timeout = TimeSpan.FromHours(1) });

        Assert.Equal((RunReason.TaskTimeout, StoppedBy.Timeout), (outcome.Reason, outcome.Attempt.StoppedBy));
        Assert.Contains("ran longer than 1s", outcome.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_5_fails_after_silence()
    {
        await using var rig = new BackendRig();

        var outcome = await rig.RunAsync(BackendRig.Fake("silent") with { SilenceTimeout = TimeSpan.FromSeconds(1) });

        Assert.Equal((RunReason.SilenceTimeout, StoppedBy.Silence), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_5_fails_when_the_agent_closes_its_output_and_lives_on()
    {
        await using var rig = new BackendRig();

        rig.UseScript("exec >&- 2>&-; exec sleep 600");

        var outcome = await rig.RunAsync(new RunRequest { Prompt = "x" });

        Assert.Equal((RunReason.AgentInvocation, StoppedBy.Finished), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("result", RunReason.Completed)]
    [InlineData("result error", RunReason.AgentInvocation)]
    public async Task Step_5_takes_the_verdict_of_a_final_line_when_the_agent_stays(string verb, RunReason reason)
    {
        await using var rig = new BackendRig();

        var outcome = await rig.RunAsync(BackendRig.Fake($"{verb}; hang") with { Harness = "claude" });

        Assert.Equal((reason, StoppedBy.Finished), (outcome.Reason, outcome.Attempt.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_6_keeps_artifacts_also_of_a_failed_run()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake("artifact report.txt done; write out/log.txt hello; exit 1") with { Artifacts = ["out/*"] });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.AgentInvocation, outcome.Reason);
        Assert.Equal(["report.txt", "out/log.txt"], rig.ManifestOf(attempt).Select(entry => entry.Path));
        Assert.Equal(2, outcome.Attempt.Artifacts!.Count);
        Assert.Equal(["report.txt", "out/log.txt"], outcome.Artifacts!.Select(entry => entry.Path));
        Assert.StartsWith("hello", rig.ArtifactOf(attempt, "out/log.txt"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_6_keeps_changes_committed_uncommitted_and_untracked()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = "git init -q . && git config user.name t && git config user.email t@t && echo base >base && echo gone >gone && git add . && git commit -qm base" };
        rig.UseScript("echo committed >new && git add new && git commit -qm new && echo more >>base && echo untracked >loose && rm gone && printf 'a\\000b' >binary");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.True(outcome.Reason == RunReason.Completed && outcome.Attempt.Warnings is null, outcome.Message + string.Join('|', outcome.Attempt.Warnings ?? []) + rig.LogOf(attempt));
        Assert.Equal(["changes.patch"], rig.ManifestOf(attempt).Select(entry => entry.Path));
        var patch = rig.ArtifactOf(attempt, "changes.patch");
        Assert.All(["b/new", "+committed", "+more", "b/loose", "+untracked", "-gone", "GIT binary patch"], part => Assert.Contains(part, patch, StringComparison.Ordinal));

        // The patch rebuilds what the agent left.
        rig.Temp.Write("p/base", "base\n");
        rig.Temp.Write("p/gone", "gone\n");
        rig.Temp.Write("changes.patch", patch);
        Assert.Equal(0, await TestProcess.RunAsync("/usr/bin/git", ["-C", rig.Temp["p"], "apply", "--unsafe-paths", rig.Temp["changes.patch"]], BackendRig.Cancellation));
        Assert.Equal("base\nmore\n", File.ReadAllText(rig.Temp["p/base"]));
        Assert.False(File.Exists(rig.Temp["p/gone"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_6_leaves_the_agents_own_state_out_of_the_changes()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = "git init -q . && mkdir .claude && echo a >.claude/skill && git add . && git -c user.name=t -c user.email=t@t commit -qm base" };
        rig.UseScript("""echo credential >"$CLAUDE_CONFIG_DIR/.credentials.json"; echo b >.claude/skill; echo new >new""");
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Harness = "claude" });

        await rig.RunAsync(attempt);

        var patch = rig.ArtifactOf(attempt, "changes.patch");
        Assert.Contains("+new", patch, StringComparison.Ordinal);
        Assert.Contains("+b", patch, StringComparison.Ordinal);
        Assert.DoesNotContain("credential", patch, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_6_keeps_a_patch_for_each_of_several_repositories()
    {
        await using var rig = new BackendRig();
        rig.UseScript("export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t; git init -q a && cd a && echo 1 >f && git add f && git commit -qm 1 && cd .. && git clone -q a sub/b && cd sub/b && echo 2 >f");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        await rig.RunAsync(attempt);

        Assert.Equal(["changes/a.patch", "changes/sub/b.patch"], rig.ManifestOf(attempt).Select(entry => entry.Path));
        Assert.Contains("+2", rig.ArtifactOf(attempt, "changes/sub/b.patch"), StringComparison.Ordinal);
        Assert.DoesNotContain("\n+1\n", rig.ArtifactOf(attempt, "changes/sub/b.patch"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_6_fails_to_record_changes_with_a_warning_only()
    {
        await using var rig = new BackendRig();
        rig.UseScript("git init -q . && echo x >f && rm -rf .git/objects && touch .git/objects");

        var outcome = await rig.RunAsync(new RunRequest { Prompt = "x" });

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("changes", StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_7_teardown_is_told_the_end_and_sees_the_workspace()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"cat mark; echo \"$OZF_RUN_STATE $OZF_RUN_REASON $OZF_EXIT_CODE ${{OZ_ENVIRONMENT_FILE-none}}\"; touch {rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("write mark was-here; exit 5"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Contains("teardown: was-here", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.Contains("teardown: FAILED agent_invocation 5 none\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.Equal(new TeardownResult(true, 0), outcome.Attempt.Teardown);
        Assert.Null(outcome.Attempt.Warnings);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_7_fails_with_a_warning_and_the_outcome_stays()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "exit 9" };

        var outcome = await rig.RunAsync(BackendRig.Fake("exit 0"));

        Assert.Equal((RunReason.Completed, new TeardownResult(true, 9)), (outcome.Reason, outcome.Attempt.Teardown));
        Assert.Equal(["The teardown command exited with code 9."], outcome.Attempt.Warnings);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_7_fails_when_teardown_takes_too_long()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "sleep 600", TeardownTimeout = TimeSpan.FromMilliseconds(200) };

        var outcome = await rig.RunAsync(BackendRig.Fake("exit 0"));

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Equal(["The teardown command took too long and was stopped."], outcome.Attempt.Warnings);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true, false, 0, false)]
    [InlineData(false, false, 0, true)]
    [InlineData(true, true, 0, false)]
    [InlineData(true, true, 1, true)]
    public async Task Step_8_removes_the_workspace_unless_it_is_to_be_kept(bool cleanup, bool keepFailed, int exitCode, bool kept)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Cleanup = cleanup, KeepFailedWorkspaces = keepFailed };
        rig.UseScript($"mkdir -p a/b && touch a/b/c && chmod 500 a/b && ln -s {rig.Temp.Path} link && exit {exitCode}");
        rig.Temp.Write("precious", "x");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        await rig.RunAsync(attempt);

        Assert.Equal(kept, Directory.Exists(rig.WorkspaceOf(attempt)));
        Assert.True(File.Exists(rig.Temp["precious"]));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Step_8_keeps_the_workspace_without_cleanup_and_teardown_has_run_in_it(bool shared)
    {
        await using var rig = new BackendRig();
        rig.Temp.Write("shared/precious", "x");
        rig.Options = rig.Options with { Cleanup = false, TargetDir = shared ? rig.Temp["shared"] : null, TeardownCommand = "cat made >torn-down; pwd" };
        var attempt = rig.Claim(BackendRig.Fake("write made by-the-agent"));

        var outcome = await rig.RunAsync(attempt);

        var kept = shared ? rig.Temp["shared"] : rig.WorkspaceOf(attempt);
        Assert.Equal(new TeardownResult(true, 0), outcome.Attempt.Teardown);
        Assert.Contains($"teardown: {kept}\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.StartsWith("by-the-agent", File.ReadAllText(Path.Combine(kept, "torn-down")), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_8_never_removes_a_shared_directory()
    {
        await using var rig = new BackendRig();
        rig.Temp.Write("shared/precious", "x");
        rig.Options = rig.Options with { TargetDir = rig.Temp["shared"], TeardownCommand = "touch torn-down" };
        var attempt = rig.Claim(BackendRig.Fake("write made x; cwd"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Equal(["made", "precious", "torn-down"], Directory.EnumerateFileSystemEntries(rig.Temp["shared"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        await attempt.Directory.DiscardAsync(BackendRig.Cancellation);
        Assert.True(File.Exists(rig.Temp["shared/precious"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task Step_9_leaves_an_outcome_that_is_found_again()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake("exit 4"));

        var outcome = await rig.RunAsync(attempt);

        var found = attempt.Directory.FindOutcome()!;
        var expected = JsonSerializer.Deserialize(JsonSerializer.Serialize(outcome, RunJson.Wire.AttemptOutcome), RunJson.Wire.AttemptOutcome)!;
        Assert.Equal(JsonSerializer.Serialize(expected, RunJson.Wire.AttemptOutcome), JsonSerializer.Serialize(found, RunJson.Wire.AttemptOutcome));
        Assert.True(found.Attempt.Log!.Sealed);
        attempt.Directory.Delete();
        Assert.False(Directory.Exists(rig.PrivateOf(attempt)));
    }
}
