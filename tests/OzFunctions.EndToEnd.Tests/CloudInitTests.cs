using System.Security.Cryptography;
using System.Text;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>What <c>infra/cloud-init.yaml</c> puts on a host: scripts that run, units that systemd takes.</summary>
public sealed class CloudInitTests
{
    private const int Limit = 180_000;
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

    /// <summary>cloud-init puts the lines of <c>runcmd</c> behind each other into one script of /bin/sh (its <c>shellify</c>), which goes on after a command that failed unless told otherwise.</summary>
    [Theory(Timeout = Limit)]
    [InlineData("right", true)]
    [InlineData("another", false)]
    [InlineData("nothing", false)]
    public async Task A_host_runs_only_the_archive_whose_sum_the_deployment_names(string fetched, bool runs)
    {
        using var place = new TempDirectory();
        var calls = place["calls"];
        place.Create("bin");
        place.Create("release", "ozf-1");
        await File.WriteAllTextAsync(place["release", "ozf-1", "ozf"], "the host", Cancellation);
        var packed = await TestProcess.RunAsync("/bin/tar", ["-czf", place["right"], "-C", place["release"], "ozf-1"], Cancellation);
        Assert.True(packed.ExitCode == 0, packed.Errors);
        File.Copy(place["right"], place["another"]);
        await File.AppendAllTextAsync(place["another"], "and more", Cancellation);
        var sum = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(place["right"], Cancellation)));
        WriteScript(place["bin", "systemctl"], $"""echo "$*" >> "{calls}" """);
        WriteScript(
            place["bin", "curl"],
            $$"""
            while [ "$1" != -o ]; do shift; done
            [ "$3" = https://releases.example/ozf.tar.gz ] || exit 3
            [ -e "{{place[fetched]}}" ] || exit 22
            cp "{{place[fetched]}}" "$2"
            """);
        var lines = RunLines().Select(line => line
            .Replace("__RELEASE_URL__", "https://releases.example/ozf.tar.gz", StringComparison.Ordinal).Replace("__RELEASE_SHA256__", sum, StringComparison.Ordinal)
            .Replace("/opt/ozf", place["opt"], StringComparison.Ordinal).Replace("/var/cache/ozf", place["cache"], StringComparison.Ordinal));
        WriteScript(place["runcmd"], string.Join('\n', lines));

        var ended = await TestProcess.RunAsync("/bin/sh", [place["runcmd"]], Cancellation, new Dictionary<string, string?> { ["PATH"] = $"{place["bin"]}:/usr/bin:/bin" });

        Assert.Equal(runs, ended.ExitCode == 0);
        Assert.Equal(runs, File.Exists(place["opt", "ozf"]));
        Assert.Equal(runs ? ["daemon-reload", "enable --now ozf-worker ozf-drain"] : [], File.Exists(calls) ? await File.ReadAllLinesAsync(calls, Cancellation) : []);

        // Nobody but root may put another archive there between its sum and its unpacking.
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(place["cache"]));
    }

    [Theory(Timeout = Limit)]
    [InlineData("""echo '{"access_token":"t"}'""", """echo '{"value":"the key"}'""", "the key\n")]
    [InlineData("exit 22", """echo '{"value":"the key"}'""", null)]
    [InlineData("""echo '{"access_token":"t"}'""", "exit 22", null)]
    [InlineData("""echo '{"access_token":"t"}'""", """printf '{"value":"the k'; exit 18""", null)]
    [InlineData("""echo '{"access_token":"t"}'""", """echo '{"value":""}'""", null)]
    [InlineData("""echo '{"error":"identity not found"}'""", """echo '{"value":"the key"}'""", null)]
    public async Task The_agents_key_is_there_whole_or_not_at_all(string identity, string vault, string? key)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/jq"), "jq is not here (Debian: apt-get install jq)");
        using var place = new TempDirectory();
        place.Create("bin");
        place.Create("run");
        WriteScript(
            place["bin", "curl"],
            $$"""
            case "$*" in
                *identity/oauth2/token*) {{identity}} ;;
                *"Bearer t"*vault.example*) {{vault}} ;;
                *) exit 3 ;;
            esac
            """);
        var script = FileOf("/usr/local/sbin/ozf-fetch-key")
            .Replace("/run/ozf", place["run"], StringComparison.Ordinal).Replace("__WARP_KEY_URI__", "https://vault.example/secrets/warp-api-key", StringComparison.Ordinal);
        await File.WriteAllTextAsync(place["ozf-fetch-key"], script, Cancellation);

        var ended = await TestProcess.RunAsync(
            "/bin/sh", [place["ozf-fetch-key"]], Cancellation, new Dictionary<string, string?> { ["PATH"] = $"{place["bin"]}:/usr/bin:/bin" });

        Assert.Equal(key is not null, ended.ExitCode == 0);
        Assert.Equal(key is null ? [] : [place["run", "warp-api-key"]], Directory.GetFileSystemEntries(place["run"]));
        if (key is not null)
        {
            Assert.Equal(key, await File.ReadAllTextAsync(place["run", "warp-api-key"], Cancellation));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(place["run", "warp-api-key"]));
        }
    }

    private static IEnumerable<string> RunLines()
    {
        const string Item = "  - ";
        return File.ReadAllLines(Path.Combine(Root, "infra/cloud-init.yaml")).SkipWhile(line => line != "runcmd:").Skip(1)
            .TakeWhile(line => line.StartsWith(Item, StringComparison.Ordinal)).Select(line => line[Item.Length..]);
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
