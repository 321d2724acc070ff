using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

/// <summary>Commands of another account under a shim of root (<c>backend.direct.user</c>).</summary>
public sealed class UserTests
{
    private const int Nobody = 65534;
    private static readonly ShimUser User = new("nobody", Nobody, Nobody, [Nobody, 12345]);

    [Fact(Timeout = 180_000)]
    public async Task Every_command_runs_as_the_account_with_its_groups_and_no_way_back()
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);

        foreach (var phase in (string[])[ShimPhase.Setup, ShimPhase.Agent, ShimPhase.Changes, ShimPhase.Teardown])
        {
            var status = await rig.RunAsync(session, rig.Sh("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapAmb):' /proc/self/status; touch mine; stat -c %u mine; rm mine", phase));
            Assert.Equal(0, status.ExitCode);
        }

        var expected = $"Uid:\t{Nobody}\t{Nobody}\t{Nobody}\t{Nobody}\nGid:\t{Nobody}\t{Nobody}\t{Nobody}\t{Nobody}\nGroups:\t12345 {Nobody} \nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n{Nobody}\n";
        Assert.All(
            (SpoolStream[])[SpoolStream.SetupOut, SpoolStream.AgentOut, SpoolStream.ChangesOut, SpoolStream.TeardownOut],
            stream => Assert.Equal(expected, rig.Output(stream)));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_account_cannot_touch_shim_or_host_nor_read_what_is_theirs()
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);
        var (shim, host) = (session.Status.Pid, Environment.ProcessId);
        var attempts = string.Join('\n', $"""
            kill -9 {shim}
            kill -9 {host}
            kill -STOP {shim}
            cat /proc/{shim}/environ
            cat /proc/{host}/environ
            ls /proc/{shim}/fd/
            cat /proc/{shim}/mem
            cat {rig.PrivateDirectory}/status.json
            cat {rig.PrivateDirectory}/spool/0*
            ls {rig.SpoolDirectory}
            flock -n {rig.PrivateDirectory}/shim.lock true
            touch {rig.PrivateDirectory}/new
            perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("{rig.PrivateDirectory}/s")) or exit 1'
            renice -n -5 -p {shim}
            prlimit --pid {shim} --nofile=3
            """.Split('\n').Select(attempt => $"({attempt.Trim()}) >/dev/null 2>&1 && echo 'done: {attempt.Trim().Replace("'", "", StringComparison.Ordinal)}'"));

        // Open on the way, as a host makes it, so that it is the account that is refused and not the path.
        File.SetUnixFileMode(rig.PrivateDirectory, (UnixFileMode)0x1C9);
        var status = await rig.RunAsync(session, rig.Sh(attempts + "\nexit 7"));

        Assert.Equal("", rig.Output(SpoolStream.AgentOut));
        Assert.Equal((7, null), (status.ExitCode, status.StoppedBy));
    }

    [Theory(Timeout = 180_000)]
    [MemberData(nameof(DescendantTests.Escapes), MemberType = typeof(DescendantTests))]
    public async Task No_descendant_of_another_account_survives(string shape, string script)
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);

        var status = await rig.RunAsync(session, rig.Sh($"{script} sleep 0.2; exit 6"));

        Assert.Equal((6, true), (status.ExitCode, status.Clean));
        Assert.True(status.EndedDescendants > 0, shape);
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_ladder_reaches_another_account()
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);
        await session.StartAsync(rig.Sh("trap 'echo INT' INT; trap 'echo TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "ready");

        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.FromSeconds(5), ShimRig.Cancellation);

        Assert.Equal(9, (await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation)).ExitCode);
        Assert.Equal("ready\nINT\nTERM\n", rig.Output(SpoolStream.AgentOut));
    }

    [Fact(Timeout = 180_000)]
    public async Task Nothing_that_a_run_chose_steers_the_process_before_it_has_given_up_its_rights()
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);
        var proof = Path.Combine(rig.Workspace, "loaded");

        // The loader would complain on stderr about a library that it was told to load and cannot find.
        var status = await rig.RunAsync(session, rig.Command(ShimPhase.Agent, "/no/such/program") with
        {
            Environment = [.. ShimRig.PlainEnvironment, "LD_PRELOAD=/no/such/library.so", $"LD_DEBUG=all", $"LD_DEBUG_OUTPUT={proof}", "DOTNET_gcServer=1"],
        });

        Assert.Equal(2, status.SpawnError);
        Assert.Equal("", rig.Output(SpoolStream.AgentErr));
        Assert.Empty(Directory.EnumerateFiles(rig.Workspace));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_program_that_the_account_may_not_execute_is_told()
    {
        await using var rig = await StartAsync();
        var session = await rig.LaunchAsync(user: User);
        var program = Path.Combine(rig.Workspace, "closed");
        await File.WriteAllTextAsync(program, "#!/bin/sh\n", ShimRig.Cancellation);
        File.SetUnixFileMode(program, (UnixFileMode)0x1C0);

        var status = await rig.RunAsync(session, rig.Command(ShimPhase.Agent, program));

        Assert.Equal((13, $"{program} cannot be executed as nobody: Permission denied"), (status.SpawnError, status.StopDetail));
    }

    private static Task<ShimRig> StartAsync()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");
        var rig = new ShimRig();
        rig.GiveWorkspaceTo(Nobody);
        return Task.FromResult(rig);
    }
}
