using System.Text;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Cli.Tests.Unmanaged;
using OzFunctions.Configuration;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Pipelines;

/// <summary>What stands in action.yml and infra for pipelines, clusters and packages: parsed, and run as far as this machine goes.</summary>
public sealed class PipelineTests
{
    private const int Limit = 600_000;

    private static readonly string Root = Path.GetFullPath("../..", TestPackages.Directory);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task The_action_runs_the_agent_and_tells_what_became_of_it()
    {
        await using var rig = new OzfProcessRig();
        File.Copy(Path.Combine(Root, "samples/agent/oz"), Path.Combine(rig.Place, "oz"));
        var inputs = new Dictionary<string, string>
        {
            ["prompt"] = "Say 'hi'; $(touch stolen) `touch stolen`",
            ["share"] = "team\nuser@example.com:edit\n",
            ["warp_api_key"] = "wk-of-the-action-1",
            ["host"] = "somewhere",
            ["output_format"] = "text",
        };

        var outputs = Path.Combine(rig.Place, "outputs");
        var line = await ComposeAsync(rig, inputs);
        var (code, output, error) = await rig.RawAsync($"{line}; exit $?");

        Assert.True(code == 0, output + error);
        Assert.Contains("::warning::host applies to cloud runs only", output, StringComparison.Ordinal);
        Assert.Contains("I am asked: Say 'hi'; $(touch stolen)", output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(rig.Place, "stolen")));
        Assert.DoesNotContain("wk-of-the-action-1", output + error, StringComparison.Ordinal);
        var said = await File.ReadAllTextAsync(outputs, Cancellation);
        var run = await rig.LastRunAsync();
        Assert.Contains($"run_id={run.GetProperty("run_id").GetString()}\nstate=SUCCEEDED\nlog_url=file://", said, StringComparison.Ordinal);
        Assert.Contains("artifacts=[", said, StringComparison.Ordinal);
        Assert.Matches("agent_output<<ozf_[0-9a-f]{32}\nRun ID: ", said);
    }

    [Fact(Timeout = Limit)]
    public async Task The_action_refuses_what_it_cannot_do_and_ends_as_the_agent_does()
    {
        await using var rig = new OzfProcessRig();
        rig.Script("oz", "exit 9");

        var none = await rig.RawAsync($"{await ComposeAsync(rig, [])}; exit $?");
        var cloud = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x", ["cloud"] = "true" })}; exit $?");
        var failed = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");

        Assert.Equal((64, 64, 9), (none.ExitCode, cloud.ExitCode, failed.ExitCode));
        Assert.Contains("Either `prompt`, `saved_prompt`, or `skill` must be provided", none.Output, StringComparison.Ordinal);
        Assert.Contains("state=FAILED", await File.ReadAllTextAsync(Path.Combine(rig.Place, "outputs"), Cancellation), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Every_input_of_the_action_reaches_the_command_line_or_a_warning()
    {
        await using var rig = new OzfProcessRig();
        var seen = FakeOzf(rig);
        rig.Script("oz", "exit 0");
        var inputs = new Dictionary<string, string>
        {
            ["prompt"] = "do 'it'\nnow",
            ["saved_prompt"] = "sp-1",
            ["skill"] = "org/repo:fix",
            ["model"] = "m-1",
            ["name"] = "nightly run",
            ["mcp"] = "id-1\nservers.json\n",
            ["cwd"] = "a directory",
            ["profile"] = "p-1",
            ["output_format"] = "json",
            ["warp_api_key"] = "wk-of-the-action-1",
            ["cloud"] = "false",
            ["host"] = "somewhere",
            ["environment"] = "e-1",
            ["share"] = "team\nuser@example.com:edit",
            ["computer_use"] = "true",
            ["debug"] = "true",
            ["oz_channel"] = "stable",
            ["oz_version"] = "v1.2",
            ["agent"] = "",
            ["timeout"] = "45m",
            ["artifact"] = "out/*.txt\r\nreport.md",
            ["config_file"] = "ozf ci.yaml",
        };
        Assert.Equal(Names(Tree("action.yml"), "inputs").Order(), inputs.Keys.Order());

        var (code, output, error) = await rig.RawAsync($"{await ComposeAsync(rig, inputs)}; exit $?");

        Assert.True(code == 0, output + error);
        Assert.Equal(
            [
                "exec", "--result-file=*", "--prompt=do 'it'\nnow", "--saved-prompt=sp-1", "--skill=org/repo:fix", "--model=m-1", "--cwd=a directory", "--timeout=45m", "--config-file=ozf ci.yaml",
                "--artifact=out/*.txt", "--artifact=report.md", "--name=nightly run", "--mcp=id-1", "--mcp=servers.json", "--environment=e-1", "--profile=p-1", "--output-format=json",
                "--share=team", "--share=user@example.com:edit", "--computer-use", "--debug",
            ],
            Arguments(seen));
        Assert.Equal(
            ["::warning::host applies to cloud runs only and is ignored", "::warning::oz_version v1.2 is not installed, because oz is in PATH already"],
            output.Split('\n').Where(line => line.StartsWith("::", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        var environment = await File.ReadAllLinesAsync(seen + ".env", Cancellation);
        Assert.Contains("WARP_API_KEY=wk-of-the-action-1", environment);
        Assert.DoesNotContain(environment, line => line.StartsWith("INPUT_", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task Inputs_that_another_agent_does_not_know_are_left_out_with_a_warning_each()
    {
        await using var rig = new OzfProcessRig();
        var seen = FakeOzf(rig);
        var inputs = new Dictionary<string, string> { ["prompt"] = "x", ["agent"] = "claude", ["model"] = "opus" };
        var plain = await rig.RawAsync($"{await ComposeAsync(rig, inputs)}; exit $?");
        foreach (var name in (string[])["name", "mcp", "environment", "profile", "share"])
        {
            inputs[name] = "y";
        }

        (inputs["output_format"], inputs["computer_use"], inputs["debug"]) = ("json", "true", "true");

        var told = await rig.RawAsync($"{await ComposeAsync(rig, inputs)}; exit $?");

        Assert.Equal((0, 0), (plain.ExitCode, told.ExitCode));
        Assert.DoesNotContain("::", plain.Output, StringComparison.Ordinal);
        Assert.Equal(["exec", "--result-file=*", "--prompt=x", "--model=opus", "--agent=claude"], Arguments(seen));
        Assert.Equal(
            ["computer_use", "debug", "environment", "mcp", "name", "output_format", "profile", "share"],
            told.Output.Split('\n').Where(line => line.StartsWith("::warning::", StringComparison.Ordinal)).Select(line => line["::warning::".Length..line.IndexOf(" applies to oz only", StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
    }

    [Theory(Timeout = Limit)]
    [InlineData("{\n  \"a\": {\"command\": \"x\"}\n}\n", "{\n  \"a\": {\"command\": \"x\"}\n}")]
    [InlineData("\n  [\n1]", "\n  [\n1]")]
    [InlineData("{\"a\": {}}", "{\"a\": {}}")]
    [InlineData("{\"a\": {}}\n{\"b\": {}}", "{\"a\": {}}", "{\"b\": {}}")]
    [InlineData("{\"a\": {}}\r\nservers.json\r\n\r\n", "{\"a\": {}}", "servers.json")]
    [InlineData("")]
    public async Task Servers_are_one_json_text_or_one_a_line(string mcp, params string[] values)
    {
        await using var rig = new OzfProcessRig();
        var seen = FakeOzf(rig);
        rig.Script("oz", "exit 0");

        var (code, output, error) = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x", ["mcp"] = mcp })}; exit $?");

        Assert.True(code == 0, output + error);
        Assert.Contains("--sandboxed", Arguments(seen));
        Assert.Equal(values, Arguments(seen).Where(argument => argument.StartsWith("--mcp=", StringComparison.Ordinal)).Select(argument => argument["--mcp=".Length..].TrimEnd('\n')));
    }

    [Theory(Timeout = Limit)]
    [InlineData("stable", "latest", "x86_64", "oz", "https://app.warp.dev/download/cli?os=linux&package=deb&arch=x86_64&channel=stable")]
    [InlineData("preview", "latest", "aarch64", "oz-preview", "https://app.warp.dev/download/cli?os=linux&package=deb&arch=aarch64&channel=preview")]
    [InlineData("stable", "1.2.3", "x86_64", "oz", "https://releases.warp.dev/stable/v1.2.3/oz_stable_1.2.3_amd64.deb")]
    [InlineData("preview", "v1.2.3", "aarch64", "oz-preview", "https://releases.warp.dev/preview/v1.2.3/oz_preview_1.2.3_arm64.deb")]
    public async Task The_cli_of_channel_and_version_is_installed_and_called(string channel, string version, string machine, string program, string url)
    {
        await using var rig = new OzfProcessRig();
        FakeOzf(rig, "oz --of-the-agent");
        FakeInstallation(rig, machine, program);
        var inputs = new Dictionary<string, string> { ["prompt"] = "x", ["oz_channel"] = channel, ["oz_version"] = version };

        var (code, output, error) = await rig.RawAsync($"{await ComposeAsync(rig, inputs)}; exit $?");
        var again = await rig.RawAsync($"{await ComposeAsync(rig, inputs)}; exit $?");

        Assert.True(code == 0, output + error);
        Assert.Equal(0, again.ExitCode);
        Assert.Equal([$"curl {url}", "sudo dpkg -i that package", $"{program} --of-the-agent", $"{program} --of-the-agent"], await CallsAsync(rig));
        Assert.Equal(version != "latest", again.Output.Contains($"::warning::oz_version {version} is not installed", StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(rig.Place, "tmp")));
    }

    [Fact(Timeout = Limit)]
    public async Task An_installation_gets_missing_dependencies_and_what_cannot_be_installed_ends_the_step()
    {
        await using var rig = new OzfProcessRig();
        FakeOzf(rig, "oz --of-the-agent");
        FakeInstallation(rig, "riscv64", "oz");
        var machine = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");
        var channel = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x", ["oz_channel"] = "nightly" })}; exit $?");
        var other = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x", ["agent"] = "claude", ["oz_channel"] = "nightly" })}; exit $?");
        FakeInstallation(rig, "x86_64", "oz");
        var absent = await rig.RawAsync($"export ABSENT=1; {await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");
        Assert.Equal(["curl https://app.warp.dev/download/cli?os=linux&package=deb&arch=x86_64&channel=stable"], (await CallsAsync(rig)).Where(call => !call.StartsWith("oz", StringComparison.Ordinal)));

        var halved = await rig.RawAsync($"export HALVED=1; {await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");

        Assert.Equal((69, 64, 22), (machine.ExitCode, channel.ExitCode, absent.ExitCode));
        Assert.Contains("::error::oz_channel is 'nightly'", channel.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("::error::", other.Output, StringComparison.Ordinal);
        Assert.True(halved.ExitCode == 0, halved.Output + halved.Error);
        Assert.Equal(["sudo dpkg -i that package", "sudo apt-get install --fix-broken --yes", "oz --of-the-agent"], (await CallsAsync(rig))[^3..]);
    }

    [Theory(Timeout = Limit)]
    [InlineData(0, "report-shutdown")]
    [InlineData(137, "report-shutdown --error-category process_exit --error-message agent exited with status 137")]
    public async Task Oz_is_told_that_its_run_is_over_and_its_log_is_shown_when_it_failed(int agentCode, string told)
    {
        await using var rig = new OzfProcessRig();
        var log = Path.Combine(rig.Place, ".local/state/warp-terminal/oz/warp.log");
        Directory.CreateDirectory(Path.GetDirectoryName(log)!);
        await File.WriteAllTextAsync(log, "of a former run\n", Cancellation);
        rig.Script("oz", $"echo \"$@\" >> {rig.Place}/calls; echo new > {log}; exit 1");
        FakeOzf(rig, $"echo 'why it failed' > {log}; exit {agentCode}", """{"run_id": "r-1", "state": "FAILED", "oz_run_id": "oz-run-7", "artifacts": []}""");

        var (code, output, error) = await rig.RawAsync($"{await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");

        Assert.True(code == agentCode, output + error);
        Assert.Equal([$"harness-support --run-id oz-run-7 {told}"], await CallsAsync(rig));
        Assert.Contains("::notice::Oz was not told that its run oz-run-7 is over", output, StringComparison.Ordinal);
        Assert.Equal(agentCode != 0, output.Contains("why it failed", StringComparison.Ordinal));
        Assert.DoesNotContain("of a former run", output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_runner_without_python_is_told_why_outputs_are_empty()
    {
        await using var rig = new OzfProcessRig();
        FakeOzf(rig, "echo said", """{"run_id": "r-1", "state": "SUCCEEDED", "artifacts": []}""");
        rig.Script("oz", "exit 0");
        var programs = string.Join(' ', Directory.CreateDirectory(Path.Combine(rig.Place, "only")).FullName, "bash sh env mktemp mkfifo touch tee od tr cat tail rm dirname timeout chmod mkdir sed");
        var only = $"set -- {programs}; for p in \"$@\"; do [ \"$p\" = \"$1\" ] || ln -sf \"$(command -v $p)\" \"$1/$p\"; done; PATH=$1; export PATH";
        var azure = Text((YamlMap)((YamlList)((YamlMap)Tree("infra/azure-pipelines/ozf.yml")).Entries.First(entry => entry.Key == "steps").Value).Items[0], "bash");
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "azure.sh"), azure, Cancellation);

        var github = await rig.RawAsync($"{only}; {await ComposeAsync(rig, new() { ["prompt"] = "x" })}; exit $?");
        var pipeline = await rig.RawAsync($"{only}; PATH={rig.Place}:$PATH AGENT_PROMPT=x AGENT_TIMEOUT=1m BUILD_ARTIFACTSTAGINGDIRECTORY={rig.Place} bash azure.sh; exit $?");

        Assert.True(github.ExitCode == 0, github.Output + github.Error);
        Assert.Contains("::warning::python3 is not here", github.Output, StringComparison.Ordinal);
        Assert.Matches("run_id=\nstate=\nlog_url=\nartifacts=\nagent_output<<ozf_[0-9a-f]{32}\nsaid\n", await File.ReadAllTextAsync(Path.Combine(rig.Place, "outputs"), Cancellation));
        Assert.Equal((0, ""), (pipeline.ExitCode, pipeline.Error));
        Assert.Contains("##vso[task.logissue type=warning]python3 is not here", pipeline.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_action_has_the_vendors_inputs_and_our_outputs()
    {
        var action = Tree("action.yml");

        string[] wanted = ["prompt", "saved_prompt", "skill", "model", "name", "mcp", "cwd", "profile", "output_format", "warp_api_key", "cloud", "host", "environment", "share", "computer_use", "debug", "oz_channel", "oz_version"];
        Assert.Subset(Names(action, "inputs").ToHashSet(), wanted.ToHashSet());
        Assert.Equal(["agent_output", "artifacts", "log_url", "run_id", "state"], Names(action, "outputs").Order());
    }

    [Theory]
    [InlineData("infra/kubernetes/job.yaml")]
    [InlineData("infra/kubernetes/cronjob.yaml")]
    [InlineData("infra/gitlab/ozf.gitlab-ci.yml")]
    [InlineData("infra/azure-pipelines/ozf.yml")]
    [InlineData("infra/prometheus/ozf-alerts.yaml")]
    [InlineData(".github/workflows/ci.yml")]
    public void Every_template_is_yaml(string file) => Assert.IsType<YamlMap>(Tree(file));

    [Fact]
    public void What_is_released_is_the_package_that_was_installed_and_ran()
    {
        var job = Map(Map((YamlMap)Tree(".github/workflows/ci.yml"), "jobs"), "binaries");
        var steps = ((YamlList)job.Entries.First(entry => entry.Key == "steps").Value).Items.Cast<YamlMap>().ToList();
        var commands = string.Join('\n', steps.SelectMany(step => step.Entries).Where(entry => entry.Key == "run").Select(entry => ((YamlText)entry.Value).Value));

        Assert.Matches(@"infra/package/package\.sh out\n(.*\n)*out/install\.sh --prefix ""\$RUNNER_TEMP/ozf"" out/ozf-\*\.tar\.gz\nPATH=""\$RUNNER_TEMP/ozf/bin:\$PATH""\nozf version && ozf demo", commands);
        Assert.DoesNotContain("dotnet publish", commands, StringComparison.Ordinal);
        Assert.Equal("out", Text(Map(steps[^1], "with"), "path"));
    }

    [Theory]
    [InlineData("infra/kubernetes/job.yaml")]
    [InlineData("infra/kubernetes/cronjob.yaml")]
    public void A_pod_has_no_more_rights_than_it_needs(string file)
    {
        var text = File.ReadAllText(Path.Combine(Root, file));

        foreach (var line in (string[])["runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "drop: [\"ALL\"]", "type: RuntimeDefault", "secretKeyRef", "@sha256:", "automountServiceAccountToken: false", "OZF_STORAGE", "backoffLimit: 0"])
        {
            Assert.Contains(line, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_job_of_gitlab_gets_a_shell_in_the_image_and_not_ozf_itself()
    {
        var image = Map(Map((YamlMap)Tree("infra/gitlab/ozf.gitlab-ci.yml"), "agent"), "image");

        // GitLab starts its scripts by the entry point of the image, which is ozf.
        Assert.Equal([""], ((YamlList)image.Entries.First(entry => entry.Key == "entrypoint").Value).Items.Cast<YamlText>().Select(word => word.Value));
        Assert.Contains("@sha256:", Text(image, "name"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_place_that_is_written_to_is_a_volume_of_the_image_so_that_its_root_may_be_read_only()
    {
        var volumes = File.ReadLines(Path.Combine(Root, "infra/container/Containerfile")).Single(line => line.StartsWith("VOLUME ", StringComparison.Ordinal));

        foreach (var place in (string[])["/work", "/data", "/var/lib/oz/workspaces", "/home/agent", "/tmp"])
        {
            Assert.Contains($"\"{place}\"", volumes, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_secret_that_the_variable_group_lacks_is_no_value_in_azure_pipelines()
    {
        await using var rig = new OzfProcessRig();
        var seen = FakeOzf(rig);
        var azure = Text((YamlMap)((YamlList)((YamlMap)Tree("infra/azure-pipelines/ozf.yml")).Entries.First(entry => entry.Key == "steps").Value).Items[0], "bash");
        await File.WriteAllTextAsync(Path.Combine(rig.Place, "azure.sh"), azure, Cancellation);
        var line = $"PATH={rig.Place}:$PATH AGENT_PROMPT=x AGENT_TIMEOUT=1m BUILD_ARTIFACTSTAGINGDIRECTORY={rig.Place}";

        var none = await rig.RawAsync($"{line} WARP_API_KEY='$(WARP_API_KEY)' OZF_STORAGE='$(OZF_STORAGE)' bash azure.sh; exit $?");
        var without = await File.ReadAllLinesAsync(seen + ".env", Cancellation);
        var both = await rig.RawAsync($"{line} WARP_API_KEY=wk-1 OZF_STORAGE='a;b=$(c)' bash azure.sh; exit $?");
        var with = await File.ReadAllLinesAsync(seen + ".env", Cancellation);

        Assert.Equal((0, 0), (none.ExitCode, both.ExitCode));
        Assert.DoesNotContain(without, variable => variable.StartsWith("OZF_STORAGE=", StringComparison.Ordinal) || variable.StartsWith("WARP_API_KEY=", StringComparison.Ordinal));
        Assert.Contains("WARP_API_KEY=wk-1", with);
        Assert.Contains("OZF_STORAGE=a;b=$(c)", with);
    }

    [Fact(Timeout = Limit)]
    public async Task The_unmanaged_quickstart_of_the_readme_runs_in_an_empty_directory()
    {
        await using var rig = new OzfProcessRig();
        File.Copy(Path.Combine(Root, "samples/agent/oz"), Path.Combine(rig.Place, "oz"));
        var readme = await File.ReadAllTextAsync(Path.Combine(Root, "README.md"), Cancellation);
        var section = readme[readme.IndexOf("## Without a worker", StringComparison.Ordinal)..];
        var commands = section.Split("```")[1].Trim();
        Assert.Contains("ozf exec", commands, StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(rig.Place, "empty"));

        var (code, output, error) = await rig.RawAsync($"OZF_CONFIG= PATH={rig.Place}:$PATH DEMO_STEP_SECONDS=0; export OZF_CONFIG PATH DEMO_STEP_SECONDS; cd empty\n{commands}");

        Assert.True(code == 0, output + error);
        Assert.Contains("Run ID:", output, StringComparison.Ordinal);
        Assert.Equal("SUCCEEDED", (await rig.LastRunAsync()).GetProperty("state").GetString());
        Assert.Equal(["demo-agent.md"], Directory.EnumerateFileSystemEntries(Path.Combine(rig.Place, "empty")).Select(Path.GetFileName));
    }

    [Theory(Timeout = Limit)]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Completions_know_what_help_shows(string shell)
    {
        using var rig = new OzfRig();
        var script = await rig.RunAsync("completion", shell);
        var help = await rig.RunAsync("worker", "--help");

        Assert.Equal(0, script.ExitCode);
        Assert.All(help.Output.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("--", StringComparison.Ordinal)), line => Assert.Contains(line.Split(' ')[0].TrimStart('-'), script.Output, StringComparison.Ordinal));
        Assert.DoesNotContain("web-socket-url", script.Output, StringComparison.Ordinal);
        if (shell == "bash")
        {
            var file = rig.Write("ozf.bash", script.Output);
            var answer = await TestProcess.RunAsync("/bin/bash", ["-c", $"source '{file}'; COMP_WORDS=(ozf runs l); COMP_CWORD=2; _ozf; echo ${"{COMPREPLY[@]}"}; COMP_WORDS=(ozf worker --on-sigterm d); COMP_CWORD=3; _ozf; echo ${"{COMPREPLY[@]}"}"], Cancellation);
            Assert.Equal(["list logs", "drain detach"], answer.Output.Trim().Split('\n'));
        }
    }

    /// <summary>An <c>ozf</c> that notes its arguments (a NUL behind each) in the file it answers, its environment beside it, and leaves a result.</summary>
    private static string FakeOzf(OzfProcessRig rig, string then = "exit 0", string result = "")
    {
        var seen = Path.Combine(rig.Place, "seen");
        rig.Script("ozf", $"""
            printf '%s\0' "$@" > {seen}
            env > {seen}.env
            for a in "$@"; do case $a in --result-file=*) printf '%s' '{result}' > "${"{a#*=}"}" ;; esac; done
            {then}
            """);
        return seen;
    }

    /// <summary>The arguments that <c>ozf</c> was given last; where its result goes is not told.</summary>
    private static IEnumerable<string> Arguments(string seen) => File.ReadAllText(seen).TrimEnd('\0').Split('\0')
        .Select(argument => argument.StartsWith("--result-file=", StringComparison.Ordinal) ? "--result-file=*" : argument);

    /// <summary>A machine on which <c>curl</c>, <c>dpkg</c> and <c>apt-get</c> only say what they were asked for; the last two leave the program, which says so too.</summary>
    private static void FakeInstallation(OzfProcessRig rig, string machine, string program)
    {
        var calls = Path.Combine(rig.Place, "calls");
        rig.Script("uname", $"echo {machine}");
        rig.Script("curl", $"""
            while [ $# -gt 1 ]; do [ "$1" = --output ] && echo "$2" > {rig.Place}/package; shift; done
            echo "curl $1" >> {calls}
            [ -z "$ABSENT" ] || exit 22
            """);
        rig.Script("sudo", $"""
            [ "$3" = "$(cat {rig.Place}/package)" ] && set -- "$1" "$2" 'that package'
            echo "sudo $*" >> {calls}
            [ "$1" = dpkg ] && [ -n "$HALVED" ] && exit 1
            printf '#!/bin/sh\necho "%s $*" >> %s\n' {program} {calls} > {rig.Place}/{program}
            chmod 755 {rig.Place}/{program}
            """);
    }

    private static async Task<string[]> CallsAsync(OzfProcessRig rig) => await File.ReadAllLinesAsync(Path.Combine(rig.Place, "calls"), Cancellation);

    /// <summary>The action's steps as a shell line, with inputs and defaults filled in as the runner does it.</summary>
    private static async Task<string> ComposeAsync(OzfProcessRig rig, Dictionary<string, string> given)
    {
        var action = (YamlMap)Tree("action.yml");
        var defaults = Map(action, "inputs").Entries.ToDictionary(entry => entry.Key, entry => ((YamlText)((YamlMap)entry.Value).Entries.First(one => one.Key == "default").Value).Value);
        var script = new StringBuilder("set -e\nexport GITHUB_OUTPUT=").Append(rig.Place).Append("/outputs DEMO_STEP_SECONDS=0 OZF_CONFIG= PATH=").Append(rig.Place).Append(":$PATH\n");
        foreach (var step in ((YamlList)Map(action, "runs").Entries.First(entry => entry.Key == "steps").Value).Items.Cast<YamlMap>())
        {
            foreach (var (name, value) in Map(step, "env").Entries.Select(entry => (entry.Key, ((YamlText)entry.Value).Value)))
            {
                var input = value["${{ inputs.".Length..^" }}".Length];
                script.Append("export ").Append(name).Append("='").Append((given.GetValueOrDefault(input) ?? defaults[input]).Replace("'", "'\\''", StringComparison.Ordinal)).Append("'\n");
            }

            script.Append("bash -c '").Append(Text(step, "run").Replace("${{ github.action_path }}", Root, StringComparison.Ordinal)).Append("'\n");
        }

        var file = Path.Combine(rig.Place, "steps.sh");
        await File.WriteAllTextAsync(file, script.ToString(), Cancellation);
        return $"bash {file}";
    }

    private static YamlItem Tree(string file) => YamlTree.Read(File.ReadAllText(Path.Combine(Root, file)))!;

    private static YamlMap Map(YamlMap map, string key) => (YamlMap)map.Entries.First(entry => entry.Key == key).Value;

    private static string Text(YamlMap map, string key) => ((YamlText)map.Entries.First(entry => entry.Key == key).Value).Value;

    private static IEnumerable<string> Names(YamlItem map, string key) => Map((YamlMap)map, key).Entries.Select(entry => entry.Key);
}
