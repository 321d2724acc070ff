using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Environments;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Environments;

public sealed class CommandEnvironmentTests
{
    private static readonly DirectOptions Plain = new()
    {
        HostEnvironment = new Dictionary<string, string>
        {
            ["HOME"] = "/home/host",
            ["PATH"] = "/bin:/usr/bin",
            ["TMPDIR"] = "/var/tmp",
            ["WARP_API_KEY"] = "wk-host",
            ["LANG"] = "C.UTF-8",
            ["AZURE_STORAGE_CONNECTION_STRING"] = "AccountKey=x",
        },
        Secrets = new Dictionary<string, string> { ["NPM"] = "npm-secret" },
    };

    [Fact]
    public void The_agent_gets_a_minimal_environment_and_its_own_names()
    {
        var agent = ForAgent(Plain, new RunRequest { Prompt = "x" });

        Assert.Equal(
            ["GH_PROMPT_DISABLED", "GIT_CONFIG_GLOBAL", "GIT_TERMINAL_PROMPT", "HOME", "OZF_ATTEMPT", "OZF_REQUEST_FILE", "OZF_RUN_ID", "OZ_ARTIFACTS_DIR", "PATH", "TMPDIR"],
            agent.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("/home/host", agent["HOME"]);
        Assert.Equal("/private/tmp", agent["TMPDIR"]);
        Assert.Equal("0", agent["GIT_TERMINAL_PROMPT"]);
        Assert.Equal("1", agent["OZF_ATTEMPT"]);
    }

    [Fact]
    public void No_layer_moves_temporary_files_or_the_configuration_of_git_out_of_the_private_directory()
    {
        var elsewhere = new EnvironmentEntry[] { new("TMPDIR", "/elsewhere"), new("GIT_CONFIG_GLOBAL", "/elsewhere") };
        var record = TestRecords.Claimed(new RunRequest { Prompt = "x", Env = new Dictionary<string, RunVariable> { ["TMPDIR"] = RunVariable.Plain("/elsewhere") } });
        var environment = new CommandEnvironment(Plain with { Environment = elsewhere, AgentEnvironment = elsewhere, InheritHookEnvironment = true }, new AttemptPlaces("/private"), "/ws", record);

        var commands = new[] { environment.ForSetup(), environment.ForAgent([new("TMPDIR", "/elsewhere")], null), environment.ForTeardown(RunReason.Completed, 0) };

        Assert.All(commands.Select(Parse), command => Assert.Equal(("/private/tmp", "/private/git/config"), (command["TMPDIR"], command["GIT_CONFIG_GLOBAL"])));
    }

    [Fact]
    public void Setup_gets_the_run_id_and_the_agent_does_not()
    {
        var record = TestRecords.Claimed(new RunRequest { Prompt = "x" });
        var options = Plain with { Environment = [new("OZ_RUN_ID", "from-configuration")] };
        var environment = new CommandEnvironment(options, new AttemptPlaces("/private"), "/ws", record);

        var setup = Parse(environment.ForSetup());

        Assert.Equal(record.RunId.Value, setup["OZ_RUN_ID"]);
        Assert.Equal("/ws", setup["OZ_WORKSPACE_ROOT"]);
        Assert.Equal("direct", setup["OZ_WORKER_BACKEND"]);
        Assert.Equal("/private/environment", setup["OZ_ENVIRONMENT_FILE"]);
        Assert.Equal("/private/request.json", setup["OZF_REQUEST_FILE"]);
        Assert.DoesNotContain("OZ_RUN_ID", Parse(environment.ForAgent([], null)).Keys);
    }

    [Fact]
    public void Setup_knows_the_task_and_asks_nobody_as_with_the_vendors_worker()
    {
        var record = TestRecords.Claimed(new RunRequest { Prompt = "x" });

        Assert.Equal((record.RunId.Value, "0", "1"), Three(Of(Plain).ForSetup()));
        Assert.Equal((null, "0", "1"), Three(Of(Plain).ForAgent([], null)));
        Assert.Equal((null, null, null), Three(Of(Plain).ForTeardown(RunReason.Completed, 0)));

        // What the host has of them does not count, what is configured does.
        var host = new Dictionary<string, string>(Plain.HostEnvironment) { ["GIT_TERMINAL_PROMPT"] = "1" };
        Assert.Equal((record.RunId.Value, "0", "1"), Three(Of(Plain with { HostEnvironment = host, InheritHookEnvironment = true }).ForSetup()));
        Assert.Equal((record.RunId.Value, "1", "1"), Three(Of(Plain with { HostEnvironment = host, Environment = [new("GIT_TERMINAL_PROMPT", null)] }).ForSetup()));

        CommandEnvironment Of(DirectOptions options) => new(options, new AttemptPlaces("/private"), "/ws", record);

        static (string?, string?, string?) Three(IReadOnlyList<string> command)
        {
            var variables = Parse(command);
            return (variables.GetValueOrDefault("TASK_ID"), variables.GetValueOrDefault("GIT_TERMINAL_PROMPT"), variables.GetValueOrDefault("GH_PROMPT_DISABLED"));
        }
    }

    [Fact]
    public void Teardown_is_told_how_the_run_ended()
    {
        var environment = new CommandEnvironment(Plain, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x" }));

        var teardown = Parse(environment.ForTeardown(RunReason.AgentInvocation, 137));

        Assert.Equal(("FAILED", "agent_invocation", "137"), (teardown["OZF_RUN_STATE"], teardown["OZF_RUN_REASON"], teardown["OZF_EXIT_CODE"]));
        Assert.Equal(["OZ_RUN_ID", "OZ_WORKER_BACKEND", "OZ_WORKSPACE_ROOT"], teardown.Keys.Where(name => name.StartsWith("OZ_", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_key_reaches_the_agent_only_when_it_is_listed()
    {
        Assert.DoesNotContain("WARP_API_KEY", ForAgent(Plain, new RunRequest { Prompt = "x" }).Keys);
        Assert.Equal("wk-host", ForAgent(Plain with { AgentEnvironment = [new("WARP_API_KEY", null)] }, new RunRequest { Prompt = "x" })["WARP_API_KEY"]);
        Assert.DoesNotContain("WARP_API_KEY", Parse(new CommandEnvironment(
            Plain with { AgentEnvironment = [new("WARP_API_KEY", null)] }, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x" })).ForSetup()).Keys);
    }

    [Fact]
    public void Inherited_hook_environment_leaves_the_hosts_credentials_out()
    {
        var options = Plain with { InheritHookEnvironment = true, HostCredentials = ["LANG"] };
        var setup = Parse(new CommandEnvironment(options, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x" })).ForSetup());

        Assert.DoesNotContain("WARP_API_KEY", setup.Keys);
        Assert.DoesNotContain("AZURE_STORAGE_CONNECTION_STRING", setup.Keys);
        Assert.DoesNotContain("LANG", setup.Keys);
        Assert.Equal("/private/tmp", setup["TMPDIR"]);
    }

    [Fact]
    public void What_setup_wrote_wins_but_for_protected_names()
    {
        var environment = new CommandEnvironment(
            Plain with { Environment = [new("A", "configured"), new("INHERITED", null), new("LANG", null)] },
            new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x", Harness = "claude" }));

        var agent = Parse(environment.ForAgent([new("A", "file"), new("PATH", "/opt"), new("OZ_RUN_ID", "x"), new("OZF_RUN_ID", "x"), new("GIT_CONFIG_GLOBAL", "x")], null));

        Assert.Equal("file", agent["A"]);
        Assert.Equal("/opt", agent["PATH"]);
        Assert.Equal("", agent["INHERITED"]);
        Assert.Equal("C.UTF-8", agent["LANG"]);
        Assert.DoesNotContain("OZ_RUN_ID", agent.Keys);
        Assert.NotEqual("x", agent["OZF_RUN_ID"]);
        Assert.Equal("/private/git/config", agent["GIT_CONFIG_GLOBAL"]);
        Assert.Equal("/ws/.claude", agent["CLAUDE_CONFIG_DIR"]);
    }

    [Theory]
    [InlineData(true, new[] { ".claude" })]
    [InlineData(false, new string[0])]
    public void Only_an_agent_that_is_given_a_directory_of_its_own_in_the_workspace_keeps_its_state_there(bool managed, string[] directories) => Assert.Equal(
        directories,
        new CommandEnvironment(Plain with { Managed = managed }, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x", Harness = "claude" })).StateDirectories);

    [Fact]
    public void The_temp_directory_is_the_runs_own_whatever_is_configured()
    {
        var environment = new CommandEnvironment(
            Plain with { Environment = [new("TMPDIR", "/big")], AgentEnvironment = [new("TMPDIR", null)] }, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x" }));

        Assert.Equal("/private/tmp", Parse(environment.ForSetup())["TMPDIR"]);
        Assert.Equal("/private/tmp", Parse(environment.ForAgent([], null))["TMPDIR"]);
    }

    [Fact]
    public void Secrets_of_the_request_are_resolved_and_kept_from_git()
    {
        var request = new RunRequest { Prompt = "x", Env = new Dictionary<string, RunVariable> { ["PLAIN"] = RunVariable.Plain("v"), ["NPM_AUTH"] = RunVariable.FromSecret("NPM") } };
        var environment = new CommandEnvironment(Plain, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(request));

        Assert.Equal("npm-secret", Parse(environment.ForAgent([], null))["NPM_AUTH"]);
        var git = Parse(environment.ForChanges([new("SOME_TOKEN", "t"), new("GIT_DIR", "/elsewhere")]));
        Assert.Equal("v", git["PLAIN"]);
        Assert.DoesNotContain("NPM_AUTH", git.Keys);
        Assert.DoesNotContain("SOME_TOKEN", git.Keys);
        Assert.DoesNotContain("GIT_DIR", git.Keys);
        Assert.Equal("/dev/null", git["GIT_CONFIG_GLOBAL"]);
    }

    [Fact]
    public void A_secret_that_the_host_does_not_have_refuses_the_run()
    {
        var request = new RunRequest { Env = new Dictionary<string, RunVariable> { ["X"] = RunVariable.FromSecret("OTHER") } };

        Assert.Contains("'OTHER'", Assert.Throws<RunRefusedException>(() => CommandEnvironment.Resolve(Plain, request)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_variable_that_the_policy_does_not_list_refuses_the_run()
    {
        var options = Plain with { Policy = new RunPolicy { Env = ["APP_*", "MODE"] } };
        var allowed = new RunRequest { Env = new Dictionary<string, RunVariable> { ["APP_X"] = RunVariable.Plain("1"), ["MODE"] = RunVariable.Plain("1") } };
        var refused = new RunRequest { Env = new Dictionary<string, RunVariable> { ["MODES"] = RunVariable.Plain("1") } };

        Assert.Equal(2, CommandEnvironment.Resolve(options, allowed).Count);
        Assert.Contains("MODES", Assert.Throws<RunRefusedException>(() => CommandEnvironment.Resolve(options, refused)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_private_home_holds_the_xdg_directories_too()
    {
        var agent = ForAgent(Plain with { PrivateHome = true }, new RunRequest { Prompt = "x" });

        Assert.Equal("/private/home", agent["HOME"]);
        Assert.Equal("/private/home/.local/state", agent["XDG_STATE_HOME"]);
    }

    [Fact]
    public void A_soft_deadline_is_told_in_unix_seconds()
    {
        var environment = new CommandEnvironment(Plain, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(new RunRequest { Prompt = "x" }));

        Assert.Equal("1700000000", Parse(environment.ForAgent([], DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)))["WARP_SANDBOX_DEADLINE"]);
    }

    private static Dictionary<string, string> ForAgent(DirectOptions options, RunRequest request) =>
        Parse(new CommandEnvironment(options, new AttemptPlaces("/private"), "/ws", TestRecords.Claimed(request)).ForAgent([], null));

    private static Dictionary<string, string> Parse(IReadOnlyList<string> environment) =>
        environment.Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
}
