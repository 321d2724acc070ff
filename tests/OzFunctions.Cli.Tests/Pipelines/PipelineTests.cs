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
    private const int Limit = 180_000;

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
    public void Every_template_is_yaml(string file) => Assert.IsType<YamlMap>(Tree(file));

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

    [Fact(Timeout = Limit)]
    public async Task The_installer_needs_no_root_and_refuses_an_archive_that_was_changed()
    {
        using var place = new TempDirectory();
        var name = "ozf-1.2.3-linux-x64";
        foreach (var (path, text) in new[] { ("ozf", "#!/bin/sh\necho ozf 1.2.3\n"), ("shim/ozf-shim", "shim"), ("completions/ozf.bash", "b"), ("completions/_ozf", "z"), ("completions/ozf.fish", "f") })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(place[$"{name}/{path}"])!);
            await File.WriteAllTextAsync(place[$"{name}/{path}"], text, Cancellation);
        }

        var script = Path.Combine(Root, "infra/package/install.sh");
        var line = $"cd {place.Path} && chmod +x {name}/ozf && tar -czf {name}.tar.gz {name} && sha256sum {name}.tar.gz > SHA256SUMS && {script} --prefix {place["prefix"]} {place[name + ".tar.gz"]}";
        var good = await TestProcess.RunAsync("/bin/sh", ["-c", line], Cancellation);
        var again = await TestProcess.RunAsync("/bin/sh", [script, "--prefix", place["prefix"], place[name + ".tar.gz"]], Cancellation);
        await File.AppendAllTextAsync(place[name + ".tar.gz"], "x", Encoding.ASCII, Cancellation);
        var changed = await TestProcess.RunAsync("/bin/sh", [script, "--prefix", place["other"], place[name + ".tar.gz"]], Cancellation);

        Assert.True(good.ExitCode == 0, good.Errors);
        Assert.Equal(0, again.ExitCode);
        Assert.Equal("ozf 1.2.3", (await TestProcess.RunAsync(place["prefix/bin/ozf"], [], Cancellation)).Output.Trim());
        Assert.True(File.Exists(place["prefix/share/bash-completion/completions/ozf"]));
        Assert.Equal(69, changed.ExitCode);
        Assert.Contains("nothing was installed", changed.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(place["other"]));
    }

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
