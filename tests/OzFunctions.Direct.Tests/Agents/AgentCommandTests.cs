using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Environments;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Tests.Agents;

public sealed class AgentCommandTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void A_prompt_is_all_that_a_run_needs() => Assert.Equal(
        ["/opt/oz", "agent", "run", "--prompt=do it", "--idle-on-complete=0s", "--sandboxed", "--output-format=json"],
        Write(new RunRequest { Prompt = "do it" }));

    [Fact]
    public void Every_field_has_its_flag_and_every_value_stays_with_it() => Assert.Equal(
        [
            "/opt/oz", "agent", "run", "--prompt=base\n\n--not-a-flag", "--skill=review", "--model=m-1", "--name=nightly", "--mcp=3f0c", "--environment=env-1",
            "--conversation=c-1", "--harness=claude", "--no-computer-use", "--idle-on-complete=10m", "--profile=p-1", "--output-format=json",
            "--share", "--share=team:edit", "--share=a@b.example:view",
        ],
        Write(new RunRequest
        {
            Prompt = "--not-a-flag",
            BasePrompt = "base",
            Skill = "review",
            Model = "m-1",
            Name = "nightly",
            Mcp = ["3f0c"],
            Environment = "env-1",
            Conversation = "c-1",
            Harness = "claude",
            ComputerUse = false,
            IdleOnComplete = TimeSpan.FromMinutes(10),
            Profile = "p-1",
            Share = ["", "team:edit", "a@b.example"],
        }));

    [Fact]
    public void A_base_prompt_beside_a_saved_prompt_goes_by_file()
    {
        var arguments = Write(new RunRequest { SavedPrompt = "sp-1", BasePrompt = "say \"hi\"" });

        Assert.Contains("--saved-prompt=sp-1", arguments);
        var file = Assert.Single(arguments, argument => argument.StartsWith("--file=", StringComparison.Ordinal))[7..];
        using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(file));
        Assert.Equal("say \"hi\"", document.RootElement.GetProperty("base_prompt").GetString());
        Assert.DoesNotContain(arguments, argument => argument.StartsWith("--prompt", StringComparison.Ordinal));
    }

    [Fact]
    public void Inline_servers_go_by_a_private_file_with_their_secrets()
    {
        var arguments = Write(new RunRequest { Prompt = "x", Mcp = ["""{"s":{"env":{"K":"Bearer ${secret:KEY}"}}}"""] }, new DirectOptions { Secrets = new Dictionary<string, string> { ["KEY"] = "a\"b" } });

        var file = Assert.Single(arguments, argument => argument.StartsWith("--mcp=", StringComparison.Ordinal))[6..];
        Assert.StartsWith(_temp.Path, file, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(file));
        Assert.Equal("Bearer a\"b", document.RootElement.GetProperty("s").GetProperty("env").GetProperty("K").GetString());
        Assert.DoesNotContain(arguments, argument => argument.Contains("a\"b", StringComparison.Ordinal));
    }

    [Fact]
    public void A_secret_that_the_host_lacks_refuses_the_run() =>
        Assert.Throws<RunRefusedException>(() => Write(new RunRequest { Prompt = "x", Mcp = ["""{"k":"${secret:NONE}"}"""] }));

    [Fact]
    public void A_secret_outside_of_inline_json_is_refused() =>
        Assert.Throws<RunRefusedException>(() => Write(new RunRequest { Prompt = "x", Mcp = ["/etc/${secret:KEY}.json"] }, new DirectOptions { Secrets = new Dictionary<string, string> { ["KEY"] = "v" } }));

    [Fact]
    public void An_unmanaged_run_is_called_as_a_person_would() => Assert.Equal(
        ["/opt/oz", "agent", "run", "--prompt=x", "--debug"],
        Write(new RunRequest { Prompt = "x" }, new DirectOptions { Managed = false, AgentArguments = ["--debug"] }));

    [Fact]
    public void Sandboxed_can_be_turned_off() => Assert.DoesNotContain("--sandboxed", Write(new RunRequest { Prompt = "x" }, new DirectOptions { Sandboxed = false }));

    [Fact]
    public void The_agent_is_found_in_the_hosts_path()
    {
        var oz = _temp.Write("bin/oz", "#!/bin/sh\n", executable: true);

        Assert.Equal((oz, null), AgentLookup.Find(new DirectOptions { HostEnvironment = new Dictionary<string, string> { ["PATH"] = $"/nonexistent:{_temp["bin"]}" } }));
    }

    [Fact]
    public void A_missing_agent_is_named_with_where_it_was_looked_for()
    {
        Assert.Contains("no 'oz' in PATH (/nonexistent)", AgentLookup.Find(new DirectOptions { HostEnvironment = new Dictionary<string, string> { ["PATH"] = "/nonexistent" } }).Fault, StringComparison.Ordinal);
        Assert.Contains("/nonexistent/oz does not exist", AgentLookup.Find(new DirectOptions { OzPath = "/nonexistent/oz" }).Fault, StringComparison.Ordinal);
        Assert.Contains("is a directory", AgentLookup.Find(new DirectOptions { OzPath = "/tmp" }).Fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("claude", "no 'claude' in PATH (/nonexistent). Install it, or name another with --agent or --agent-command.")]
    [InlineData("/nonexistent/agent", "/nonexistent/agent does not exist (--agent-command).")]
    public void A_missing_agent_that_the_caller_named_is_not_blamed_on_the_configuration(string program, string said) => Assert.Equal(
        "The agent was not found: " + said,
        AgentLookup.Find(new DirectOptions { OzPath = program, ForeignArguments = [], HostEnvironment = new Dictionary<string, string> { ["PATH"] = "/nonexistent" } }).Fault);

    [Fact]
    public void An_agent_that_is_not_executable_is_said_to_be_so()
    {
        _temp.Write("bin/oz", "#!/bin/sh\n");

        Assert.Contains("is not executable", AgentLookup.Find(new DirectOptions { OzPath = _temp["bin/oz"] }).Fault, StringComparison.Ordinal);
        Assert.Contains("is not executable", AgentLookup.Find(new DirectOptions { HostEnvironment = new Dictionary<string, string> { ["PATH"] = _temp["bin"] } }).Fault, StringComparison.Ordinal);
    }

    private IReadOnlyList<string> Write(RunRequest request, DirectOptions? options = null) =>
        AgentCommand.Write("/opt/oz", options ?? new DirectOptions(), request, new AttemptPlaces(_temp.Path));
}
