using System.Text;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>What <c>infra/cloud-init.yaml</c> puts on a host: scripts that run, units that systemd takes.</summary>
public sealed class CloudInitTests
{
    private const int Limit = 60_000;
    private static readonly string Root = Repository.Root;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Azure names machines of a scale set otherwise than their host names, and tells each of all.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_host_drains_when_azure_takes_it_and_not_when_it_takes_another_and_then_lets_go()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/jq"), "jq is not here (Debian: apt-get install jq)");
        using var place = new TempDirectory();
        WriteScript(place["sleep"], "exit 0");
        WriteScript(place["systemctl"], $"""echo "systemctl $*" >> "{place["calls"]}" """);
        WriteScript(
            place["curl"],
            $$"""
            for last; do :; done
            case "$*" in
                *compute/name*) echo ozf-hosts_2b ;;
                *POST*) echo "post $*" >> "{{place["calls"]}}" ;;
                *)
                    echo look >> "{{place["calls"]}}"
                    case $(grep -c look "{{place["calls"]}}") in
                        1) exit 28 ;;
                        2) echo '{"Events":[]}' ;;
                        3) echo '{"Events":[{"EventId":"E1","EventType":"Terminate","Resources":["ozf-hosts_1a"]},{"EventId":"E2","EventType":"Freeze","Resources":["ozf-hosts_2b"]}]}' ;;
                        *) echo '{"Events":[{"EventId":"E1","EventType":"Terminate","Resources":["ozf-hosts_1a"]},{"EventId":"E3","EventType":"Terminate","Resources":["ozf-hosts_2b"]}]}' ;;
                    esac ;;
            esac
            """);
        await File.WriteAllTextAsync(place["ozf-drain"], FileOf("/usr/local/sbin/ozf-drain"), Cancellation);

        var ended = await TestProcess.RunAsync(
            "/bin/sh", [place["ozf-drain"]], Cancellation, new Dictionary<string, string?> { ["PATH"] = $"{Path.GetDirectoryName(place["curl"])}:/usr/bin:/bin" });

        Assert.True(ended.ExitCode == 0, ended.Errors);
        var calls = await File.ReadAllLinesAsync(place["calls"], Cancellation);
        Assert.Equal(["look", "look", "look", "look", "systemctl stop ozf-worker"], calls[..^1]);
        Assert.Contains("""-d {"StartRequests":[{"EventId":"E3"}]}""", calls[^1], StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("ozf-worker.service")]
    [InlineData("ozf-drain.service")]
    public async Task Its_units_are_accepted_by_systemd(string name)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "systemd-analyze is not here (Debian: apt-get install systemd)");
        using var place = new TempDirectory();
        var unit = FileOf("/etc/systemd/system/" + name);
        var here = unit;
        foreach (var program in (string[])["/opt/ozf/ozf ", "/usr/local/sbin/ozf-fetch-key", "/usr/local/sbin/ozf-drain"])
        {
            here = here.Replace(program, "/bin/true ", StringComparison.Ordinal);
        }

        await File.WriteAllTextAsync(place[name], here, Cancellation);

        var verdict = await TestProcess.RunAsync("/usr/bin/systemd-analyze", ["verify", "--man=no", place[name]], Cancellation);

        Assert.True(verdict.ExitCode == 0, verdict.Errors);
        Assert.DoesNotContain(
            verdict.Errors.Split('\n').Where(line => !line.Contains("'DelegateSubgroup'", StringComparison.Ordinal)), line => line.Contains(name, StringComparison.Ordinal));
    }

    /// <summary>The machine goes after 15 minutes: the worker must have let its runs end before, and systemd must have waited for that.</summary>
    [Fact]
    public void The_worker_has_time_to_drain_and_groups_for_the_limits_of_runs()
    {
        var unit = FileOf("/etc/systemd/system/ozf-worker.service");

        foreach (var line in (string[])["--on-sigterm drain --drain-timeout 12m", "TimeoutStopSec=14min", "KillMode=mixed", "Delegate=yes", "DelegateSubgroup=host"])
        {
            Assert.Contains(line, unit, StringComparison.Ordinal);
        }

        Assert.Contains("notBeforeTimeout: 'PT15M'", File.ReadAllText(Path.Combine(Root, "infra/modules/hosts.bicep")), StringComparison.Ordinal);
    }

    /// <summary>The content of one entry of <c>write_files</c>.</summary>
    private static string FileOf(string path)
    {
        const string Indent = "      ";
        var text = new StringBuilder();
        var lines = File.ReadAllLines(Path.Combine(Root, "infra/cloud-init.yaml")).SkipWhile(line => line != $"  - path: {path}").SkipWhile(line => line != "    content: |").Skip(1);
        foreach (var line in lines.TakeWhile(line => line.Length == 0 || line.StartsWith(Indent, StringComparison.Ordinal)))
        {
            text.Append(line.Length == 0 ? "" : line[Indent.Length..]).Append('\n');
        }

        return text.ToString();
    }

    private static void WriteScript(string path, string body)
    {
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
