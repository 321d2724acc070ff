using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

public sealed class ExecutionTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_command_gets_exactly_its_environment_and_arguments()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var environment = await rig.RunAsync(session, rig.Command(ShimPhase.Setup, "/usr/bin/env") with { Environment = ["B=two words", "A=é", "EMPTY="] });
        var arguments = await rig.RunAsync(session, rig.Command(ShimPhase.Agent, "/usr/bin/printf", "[%s]", "a b", "", "*", "new\nline", "$HOME"));

        Assert.Equal((0, 0), (environment.ExitCode, arguments.ExitCode));
        Assert.Equal("B=two words\nA=é\nEMPTY=\n", rig.Output(SpoolStream.SetupOut));
        Assert.Equal("[a b][][*][new\nline][$HOME]", rig.Output(SpoolStream.AgentOut));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_leads_a_session_of_its_own_in_its_directory_with_three_descriptors()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        await rig.RunAsync(session, rig.Command(ShimPhase.Setup, ["/usr/bin/readlink", .. Enumerable.Range(0, 64).Select(number => $"/proc/self/fd/{number}")]));
        var status = await rig.RunAsync(session, rig.Sh("cut -d' ' -f1,6 /proc/self/stat; echo $$; pwd; grep SigIgn /proc/self/status; ulimit -n; ulimit -c"));

        var descriptors = rig.Output(SpoolStream.SetupOut).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, descriptors.Length);
        Assert.Equal("/dev/null", descriptors[0]);
        var lines = rig.Output(SpoolStream.AgentOut).Split('\n');
        Assert.Equal(0, status.ExitCode);
        Assert.Equal(status.Pid.ToString(), lines[0].Split(' ')[1]);
        Assert.Equal(status.Pid.ToString(), lines[1]);
        Assert.Equal(rig.Workspace, lines[2]);
        Assert.Equal(0UL, Convert.ToUInt64(lines[3].Split('\t')[1], 16) & 0x7fffffff);
        Assert.Equal("1024", lines[4]);
        Assert.Equal("0", lines[5]);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 7", 7, null)]
    [InlineData("exit 137", 137, null)]
    [InlineData("kill -9 $$", null, 9)]
    [InlineData("kill -15 $$", null, 15)]
    public async Task Exit_codes_and_signals_are_told_apart(string script, int? exitCode, int? signal)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh(script));

        Assert.Equal((exitCode, signal, null), (status.ExitCode, status.Signal, status.StoppedBy));
        Assert.True(status is { Ended: true, Clean: true, EndedDescendants: 0, SpawnError: 0 });
        Assert.True(status.EndedAt >= status.StartedAt);
        Assert.Equivalent(status, ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Agent));
    }

    [Fact(Timeout = 180_000)]
    public async Task Output_comes_in_order_with_its_stream()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        await rig.RunAsync(session, rig.Sh("echo setup >&2", ShimPhase.Setup));
        await rig.RunAsync(session, rig.Sh("i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"));

        Assert.Equal("setup\n", rig.Output(SpoolStream.SetupErr));
        Assert.Equal(string.Concat(Enumerable.Range(0, 2000).Select(i => $"out {i}\n")), rig.Output(SpoolStream.AgentOut));
        Assert.Equal(string.Concat(Enumerable.Range(0, 2000).Select(i => $"err {i}\n")), rig.Output(SpoolStream.AgentErr));
    }

    [Fact(Timeout = 180_000)]
    public async Task Much_output_arrives_whole()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(spoolBytes: 256 << 20);

        var status = await rig.RunAsync(session, rig.Sh("head -c 50000000 /dev/zero | tr '\\0' x"));

        Assert.Equal(0, status.ExitCode);
        using var reader = new SpoolReader(rig.SpoolDirectory, SpoolPosition.Start);
        var bytes = 0L;
        while (reader.TryRead(out var record))
        {
            Assert.Equal(default, record.Cut);
            bytes += record.Bytes.Length;
        }

        Assert.Equal(50_000_000, bytes);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("/no/such/program", 2)]
    [InlineData("/etc/passwd", 13)]
    [InlineData("/etc", 13)]
    public async Task A_program_that_cannot_be_executed_is_a_spawn_error(string program, int error)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Command(ShimPhase.Agent, program));

        Assert.Equal((error, 0, null), (status.SpawnError, status.Pid, status.ExitCode));
        Assert.Contains(program, status.StopDetail, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Too_long_arguments_are_a_spawn_error()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Command(ShimPhase.Agent, "/bin/echo", new string('x', 140_000)));

        Assert.Equal(7, status.SpawnError);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_missing_working_directory_has_a_sentence_of_its_own()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh("true") with { WorkingDirectory = "/no/such/directory" });

        Assert.NotEqual(0, status.SpawnError);
        Assert.NotEqual(2, status.SpawnError);
        Assert.Contains("working directory /no/such/directory", status.StopDetail, StringComparison.Ordinal);
        Assert.Contains("working directory /no/such/directory", rig.Output(SpoolStream.Shim), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Stdout_goes_to_a_file_where_one_is_named()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        var file = Path.Combine(rig.PrivateDirectory, "patch");

        var status = await rig.RunAsync(session, rig.Sh("echo data; echo note >&2", ShimPhase.Changes) with { StdoutFile = file });
        await rig.RunAsync(session, rig.Sh("echo second", "changes:2") with { StdoutFile = file + "2" });

        Assert.Equal(0, status.ExitCode);
        Assert.Equal("data\n", await File.ReadAllTextAsync(file, ShimRig.Cancellation));
        Assert.Equal("second\n", await File.ReadAllTextAsync(file + "2", ShimRig.Cancellation));
        Assert.Equal("note\n", rig.Output(SpoolStream.ChangesOut, SpoolStream.ChangesErr));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_phase_is_started_at_most_once()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        var first = await rig.RunAsync(session, rig.Sh("echo run >> ran"));
        var other = await rig.AttachAsync();

        var again = await other.StartAsync(rig.Sh("echo run >> ran"), ShimRig.Cancellation);

        Assert.Equivalent(first, again);
        Assert.Equal("run\n", await File.ReadAllTextAsync(Path.Combine(rig.Workspace, "ran"), ShimRig.Cancellation));
        var refused = await Assert.ThrowsAsync<ShimException>(() => rig.LaunchAsync());
        Assert.Contains("before", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Commands_run_one_after_the_other()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("sleep 60", ShimPhase.Setup), ShimRig.Cancellation);

        var refused = await Assert.ThrowsAsync<ShimException>(() => session.StartAsync(rig.Sh("true"), ShimRig.Cancellation));

        Assert.Contains("setup still runs", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\0b", "A=b")]
    [InlineData("a", "A=b\0")]
    [InlineData("a", "=b")]
    public async Task What_the_kernel_would_cut_is_refused(string argument, string variable)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        await Assert.ThrowsAsync<ShimException>(
            () => session.StartAsync(rig.Command(ShimPhase.Agent, "/bin/echo", argument) with { Environment = [variable] }, ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_private_directory_may_have_a_long_path()
    {
        await using var rig = new ShimRig(string.Join('/', Enumerable.Repeat(new string('d', 60), 5)));
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("echo here; sleep 60"), ShimRig.Cancellation);

        var other = await rig.AttachAsync();

        await rig.OutputHoldsAsync(other, "here");
        Assert.Equal(session.Status.Pid, other.Status.Pid);
    }

    [Fact(Timeout = 180_000)]
    public async Task Cpu_and_memory_of_all_its_processes_are_counted()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh("(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done) & wait"));

        Assert.InRange(status.CpuSeconds, 0.02, 20);
        Assert.InRange(status.PeakMemoryBytes, 500 << 10, 1L << 30);
    }
}
