using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Limits;

public sealed class LimitTests
{
    // Fills memory of its own, page by page, and waits.
    private const string Hungry = "exec perl -e '$| = 1; my $x = \"a\" x (120 << 20); substr($x, $_ << 12, 1) = \"b\" for 0 .. (length($x) >> 12) - 1; print \"full\\n\"; sleep 300'";

    [Fact(Timeout = 180_000)]
    public async Task Memory_of_the_whole_tree_is_sampled_and_the_tree_is_stopped()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Memory = 200 << 20 });

        var status = await rig.RunAsync(session, rig.Sh($"sh -c \"exec setsid {Perl(90)}\" & {Perl(90)} & {Perl(90)} & wait"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Memory), (status.StoppedBy, status.Limit));
        Assert.Matches(@"^memory: [0-9.]+ MiB in \d+ processes, the limit is 200 MiB$", status.StopDetail);
        Assert.Equal(LimitMechanism.Sampled, session.Status.Limits![LimitName.Memory]);
        Assert.Contains("Stopping (agent, limit: memory: ", rig.Output(SpoolStream.Shim), StringComparison.Ordinal);
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task Below_its_limits_a_command_is_left_alone()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Memory = 1L << 30, Processes = 50, Cpu = 64, Workspace = 1L << 30, LogRate = 100 << 20 });

        var status = await rig.RunAsync(session, rig.Sh("i=0; while [ $i -lt 20 ]; do sleep 0.9 & i=$((i+1)); done; wait; exit 5"));

        Assert.Equal((5, null, null), (status.ExitCode, status.StoppedBy, status.Limit));
        Assert.Equal(["cpu", "log_rate", "memory", "processes", "workspace"], session.Status.Limits!.Keys);
    }

    [Fact(Timeout = 180_000)]
    public async Task Too_many_processes_are_stopped()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Processes = 20 });

        var status = await rig.RunAsync(session, rig.Sh("i=0; while [ $i -lt 40 ]; do setsid sleep 300 & i=$((i+1)); done; wait; sleep 300"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Processes, true), (status.StoppedBy, status.Limit, status.Clean));
        Assert.Matches(@"^processes: \d+, the limit is 20$", status.StopDetail);
    }

    [Fact(Timeout = 180_000)]
    public async Task Processor_time_is_averaged_also_over_processes_that_have_ended()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Cpu = 0.01, CpuWindow = TimeSpan.FromSeconds(2) });

        var status = await rig.RunAsync(session, rig.Sh("while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Cpu), (status.StoppedBy, status.Limit));
        Assert.Matches(@"^cpu: [0-9.]+ processors over [0-9.]+ s, the limit is 0.01$", status.StopDetail);
    }

    [Fact(Timeout = 180_000)]
    public async Task Who_only_waits_uses_no_processor()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Cpu = 0.5, CpuWindow = TimeSpan.FromSeconds(0.5) });

        var status = await rig.RunAsync(session, rig.Sh("sleep 1.5; exit 4"));

        Assert.Equal((4, null), (status.ExitCode, status.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_workspace_that_grows_too_large_is_told_apart_from_other_limits()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Workspace = 4 << 20 });

        // There at one blow, as all these: what is measured while it still grows has another figure.
        var status = await rig.RunAsync(session, rig.Sh("mkdir -p ../aside/b; i=0; while [ $i -lt 8 ]; do head -c 1048576 /dev/zero > ../aside/b/$i; i=$((i+1)); done; ln -s / everything; mv ../aside a; sleep 300"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Workspace), (status.StoppedBy, status.Limit));
        Assert.Matches(@"^workspace: 8(\.\d+)? MiB, the limit is 4 MiB$", status.StopDetail);
        Assert.Equal(LimitMechanism.Measured, session.Status.Limits![LimitName.Workspace]);

        // What cleans up finds the workspace as it is.
        Assert.Equal(3, (await rig.RunAsync(session, rig.Sh("sleep 1.5; exit 3", ShimPhase.Teardown))).ExitCode);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("mkdir ../aside; (cd ../aside; perl -e 'for (1..200) { mkdir \"d\"; chdir \"d\" } open F, \">\", \"f\"; print F \"x\" x (8 << 20)'); mv ../aside a", @"8(\.\d+)? MiB")]
    [InlineData("perl -e 'for (1..600) { mkdir \"d\"; chdir \"d\" }'", "deeper than 512 directories, which cannot be counted")]
    [InlineData("mkdir ../out; head -c 8388608 /dev/zero > ../out/1; for i in 2 3 4 5 6 7 8 9; do ln ../out/1 ../out/$i; done; ln ../out/1 f", @"8(\.\d+)? MiB")]
    public async Task No_depth_and_no_second_name_hides_a_file_from_the_limit(string script, string figure)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Workspace = 4 << 20 });

        var status = await rig.RunAsync(session, rig.Sh(script + "; sleep 300"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Workspace), (status.StoppedBy, status.Limit));
        Assert.Matches($"^workspace: {figure}, the limit is 4 MiB$", status.StopDetail);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_flood_of_output_is_stopped_and_a_burst_is_not()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { LogRate = 100 << 10 });

        Assert.Null((await rig.RunAsync(session, rig.Sh("head -c 900000 /dev/zero; sleep 0.6", ShimPhase.Setup))).StoppedBy);
        var status = await rig.RunAsync(session, rig.Sh("exec yes"));

        Assert.Equal((ShimStopCause.Limit, LimitName.LogRate), (status.StoppedBy, status.Limit));
        Assert.Matches(@"^log_rate: [0-9.]+ [MG]iB of output above 100 KiB a second, a burst may be 1000 KiB$", status.StopDetail);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_goes_on_growing_gets_no_more_grace()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchPatientAsync(new() { Memory = 64 << 20 });

        var status = await rig.RunAsync(session, rig.Sh("trap '' INT TERM; " + Hungry) with { StopGrace = TimeSpan.FromMinutes(10) });

        Assert.Equal((9, ShimStopCause.Limit, LimitName.Memory), (status.Signal, status.StoppedBy, status.Limit));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(70, 120, ShimStopCause.Limit)]
    [InlineData(10, 70, ShimStopCause.Cancel)]
    [InlineData(10, 70, ShimStopCause.Timeout)]
    public async Task What_begins_to_eat_memory_in_its_grace_gets_no_more_of_it(int before, int after, ShimStopCause cause)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchPatientAsync(new() { Memory = 64 << 20 });
        var script = $$"""exec perl -e '$| = 1; my @all; sub eat { push @all, "a" x ($_[0] << 20) } $SIG{TERM} = "IGNORE"; $SIG{INT} = sub { eat({{after - before}}) }; eat({{before}}); print "full\n"; sleep 300 while 1'""";
        var command = rig.Sh(script) with { StopGrace = TimeSpan.FromMinutes(10), Timeout = cause == ShimStopCause.Timeout ? TimeSpan.FromSeconds(10) : null };
        await session.StartAsync(command, ShimRig.Cancellation);
        if (cause == ShimStopCause.Cancel)
        {
            await rig.OutputHoldsAsync(session, "full");
            await session.StopAsync(cause, command.StopGrace, ShimRig.Cancellation);
        }

        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((9, cause, cause == ShimStopCause.Limit ? LimitName.Memory : null), (status.Signal, status.StoppedBy, status.Limit));
        Assert.Matches($@"No more grace \(agent, {ShimStatusJson.Name(cause)}\): memory: [0-9.]+ MiB in 1 processes, the limit is 64 MiB", rig.Output(SpoolStream.Shim));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_gets_its_limits_and_otherwise_exactly_what_it_would_get_without()
    {
        await using var plain = new ShimRig();
        await using var limited = new ShimRig();
        const string Show = "env | grep -v ^PWD=; ulimit -n; ulimit -Hn; ulimit -c; nice; cat /proc/self/oom_score_adj; grep -E '^(SigIgn|SigBlk|SigCgt)' /proc/self/status | sed 's/\\t.*\\(........\\)$/ \\1/'; ls /proc/self/fd; ps -o sid= -p $$ | grep -q \"^ *$$\\$\" && echo leads";
        await plain.RunAsync(await plain.LaunchAsync(), plain.Sh(Show));
        var session = await limited.LaunchAsync(limits: new() { OpenFiles = 300, Nice = 7, OomScoreAdj = 700, Core = 0 });

        var status = await limited.RunAsync(session, limited.Sh(Show));

        Assert.Equal((0, null), (status.ExitCode, status.StopDetail));
        var one = plain.Output(SpoolStream.AgentOut).Split('\n');
        var other = limited.Output(SpoolStream.AgentOut).Split('\n');
        Assert.Equal(["300", "300", "0", "7", "700"], other[1..6]);
        Assert.Equal(["1024", one[2], "0", one[4], "500"], one[1..6]);
        Assert.Equal(one[0], other[0]);
        Assert.Equal(one[6..], other[6..]);
        Assert.Equal("leads", other[^2]);
        Assert.Equal(["core", "nice", "oom_score_adj", "open_files"], session.Status.Limits!.Keys);
        Assert.All(session.Status.Limits!.Values, mechanism => Assert.Equal(LimitMechanism.Process, mechanism));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(2_048, null, true)]
    [InlineData(2_048, 3, true)]
    [InlineData(200, null, false)]
    public async Task Open_files_are_limited_by_the_shim_itself_where_it_needs_no_more(int files, int? nice, bool isHeld)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { OpenFiles = files, Nice = nice });

        await rig.RunAsync(session, rig.Sh("ulimit -Sn; ulimit -Hn"));

        Assert.Equal($"{files}\n{files}\n", rig.Output(SpoolStream.AgentOut));
        var limits = await File.ReadAllTextAsync($"/proc/{session.Status.Pid}/limits", ShimRig.Cancellation);
        Assert.Equal(isHeld, System.Text.RegularExpressions.Regex.IsMatch(limits, $@"Max open files\s+{files}\s+{files}\s"));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_cannot_be_executed_is_told_also_through_the_entry()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Nice = 1 });

        var missing = await rig.RunAsync(session, rig.Command(ShimPhase.Setup, "/no/such/program"));
        var agent = await rig.RunAsync(session, rig.Sh("exit 7"));

        Assert.Equal((2, "/no/such/program cannot be executed: No such file or directory", true), (missing.SpawnError, missing.StopDetail, missing.Ended));
        Assert.Equal((0, 7), (agent.SpawnError, agent.ExitCode));
    }

    private static string Perl(int megabytes) => Hungry.Replace("120", megabytes.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)[5..];
}
