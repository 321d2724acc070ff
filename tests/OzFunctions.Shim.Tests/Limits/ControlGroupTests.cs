using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Limits;

/// <summary>On a directory that has the shape of a delegated group, for what this machine's kernel may lack; and on the real mount, for what only a kernel does.</summary>
public sealed class ControlGroupTests
{
    private static readonly ShimLimits Three = new() { Memory = 100 << 20, Processes = 20, Cpu = 1.5 };

    [Fact(Timeout = 180_000)]
    public async Task What_a_group_can_hold_is_written_to_it_and_told()
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup();
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent, LogRate = 1 << 20 });

        Assert.Equal("cpu: cgroup, log_rate: counted, memory: cgroup, processes: cgroup", string.Join(", ", session.Status.Limits!.Select(pair => $"{pair.Key}: {pair.Value}")));
        Assert.Equal(fake.Path, session.Status.Cgroup);
        Assert.Equal(("104857600", "0", "1"), (fake.Read("memory.max"), fake.Read("memory.swap.max"), fake.Read("memory.oom.group")));
        Assert.Equal(("320", "150000 100000"), (fake.Read("pids.max"), fake.Read("cpu.max")));
        Assert.Equal("", fake.Read("cgroup.procs"));
        Assert.Equal(5, (await rig.RunAsync(session, rig.Sh("exit 5"))).ExitCode);
        Assert.Equal("0", fake.Read("cgroup.procs"));
        Assert.StartsWith("1", fake.Read("cgroup.kill"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_group_cannot_hold_is_sampled()
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup("memory.max", "cpu.max");
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent });

        Assert.Equal("cpu: sampled, memory: sampled, processes: cgroup", string.Join(", ", session.Status.Limits!.Select(pair => $"{pair.Key}: {pair.Value}")));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_group_that_cannot_be_made_leaves_sampling()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = "/no/such/group" });

        Assert.Null(session.Status.Cgroup);
        Assert.All(session.Status.Limits!.Values, mechanism => Assert.Equal(LimitMechanism.Sampled, mechanism));
        Assert.Equal(5, (await rig.RunAsync(session, rig.Sh("exit 5"))).ExitCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task Processes_that_the_kernel_ended_for_want_of_memory_passed_a_limit()
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup();
        fake.Write("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n");
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent });

        var before = await rig.RunAsync(session, rig.Sh("kill -9 $$", ShimPhase.Setup));
        var status = await rig.RunAsync(session, rig.Sh($"trap '' INT; printf 'oom 2\\noom_kill 3\\n' > {fake.Path}/memory.events; kill -9 $$"));

        Assert.Equal((9, null, null), (before.Signal, before.StoppedBy, before.Limit));
        Assert.Equal((9, ShimStopCause.Limit, LimitName.Memory), (status.Signal, status.StoppedBy, status.Limit));
        Assert.Equal("memory: more than 100 MiB were needed, the kernel ended its processes", status.StopDetail);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("memory.events", "oom 1\\noom_kill 3\\n")]
    [InlineData("memory.events", "oom 1\\noom_kill 3\\n", "memory.events.local")]
    [InlineData("pids.events", "max 9\\n", "pids.events.local")]
    [InlineData("pids.events", "max 9\\n", "pids.peak")]
    public async Task What_the_kernel_did_for_a_limit_of_a_group_above_is_not_blamed_on_the_command(string file, string events, string? own = null)
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup();
        fake.Write("memory.events", "oom 1\noom_kill 2\n");
        fake.Write("pids.events", "max 0\n");
        if (own is not null)
        {
            fake.Write(own, own == "pids.peak" ? "12\n" : "oom 1\noom_kill 2\nmax 0\n");
        }

        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent });

        var status = await rig.RunAsync(session, rig.Sh($"printf '{events}' > {fake.Path}/{file}; sleep 0.6; kill -9 $$"));

        Assert.Equal((9, null, null), (status.Signal, status.StoppedBy, status.Limit));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("memory.events.local", "oom 2\\noom_kill 3\\n", LimitName.Memory)]
    [InlineData("pids.events.local", "max 1\\n", LimitName.Processes)]
    public async Task What_the_kernel_says_of_this_group_alone_counts(string file, string events, string limit)
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup();
        fake.Write(file, "oom 1\noom_kill 2\nmax 0\n");
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent });

        var status = await rig.RunAsync(session, rig.Sh($"printf '{events}' > {fake.Path}/{file}; sleep 300"));

        Assert.Equal((ShimStopCause.Limit, limit), (status.StoppedBy, status.Limit));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_whose_forks_are_refused_is_stopped()
    {
        await using var rig = new ShimRig();
        using var fake = new FakeGroup();
        fake.Write("pids.events", "max 0\n");
        var session = await rig.LaunchAsync(limits: Three with { CgroupParent = fake.Parent });

        var status = await rig.RunAsync(session, rig.Sh($"echo 'max 9' > {fake.Path}/pids.events; sleep 300"));

        Assert.Equal((ShimStopCause.Limit, LimitName.Processes), (status.StoppedBy, status.Limit));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_real_group_holds_all_descendants_is_ended_at_one_blow_and_removed()
    {
        await using var parent = RealParent();
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Processes = 2000, CgroupParent = parent.Path });
        var group = session.Status.Cgroup!;

        var status = await rig.RunAsync(session, rig.Sh("grep ^0:: /proc/self/cgroup; i=0; while [ $i -lt 200 ]; do setsid sleep 300 & i=$((i+1)); done; exit 6"));

        Assert.Equal((6, true), (status.ExitCode, status.Clean));
        Assert.EndsWith("/" + Path.GetFileName(group) + "\n", rig.Output(SpoolStream.AgentOut), StringComparison.Ordinal);
        Assert.Single(Tagged.Processes(session.Status.Tag));
        Assert.DoesNotContain(Path.GetFileName(group), await File.ReadAllTextAsync($"/proc/{session.Status.Pid}/cgroup", ShimRig.Cancellation), StringComparison.Ordinal);
        await session.EndAsync(ShimRig.Cancellation);
        Assert.False(Directory.Exists(group));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_group_of_a_shot_shim_is_ended_and_removed_by_the_sweep()
    {
        await using var parent = RealParent();
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(limits: new() { Processes = 2000, CgroupParent = parent.Path });
        var group = session.Status.Cgroup!;
        await session.StartAsync(rig.Sh("i=0; while [ $i -lt 30 ]; do setsid sleep 300 & i=$((i+1)); done; echo up; sleep 300"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");

        Assert.Equal(0, Signals.Send(session.Status.Pid, "KILL"));
        await Assert.ThrowsAsync<ShimLostException>(() => session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation));

        Assert.True(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation) >= 31);
        Assert.Empty(Tagged.Processes(session.Status.Tag));
        Assert.False(Directory.Exists(group));
    }

    [Theory]
    [InlineData("/system.slice/ozf.service/host", false, "system.slice/ozf.service")]
    [InlineData("/", false, null)]
    [InlineData("/elsewhere/x", false, null)]
    [InlineData("/system.slice/ozf.service/host", true, null)]
    public async Task A_delegated_group_is_found_above_the_hosts_own_leaf(string own, bool inUse, string? expected)
    {
        using var temp = new TempDirectory();
        var service = Directory.CreateDirectory(temp.Sub("system.slice/ozf.service")).FullName;
        foreach (var name in (string[])["cgroup.procs", "cgroup.subtree_control"])
        {
            await File.WriteAllTextAsync(Path.Combine(service, name), inUse && name == "cgroup.procs" ? "123\n" : "", ShimRig.Cancellation);
        }

        await File.WriteAllTextAsync(temp.Sub("mounts"), $"24 1 0:22 / /proc rw - proc proc rw\n30 24 0:26 / {temp.Path} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n", ShimRig.Cancellation);
        await File.WriteAllTextAsync(temp.Sub("own"), $"3:cpu:/x\n0::{own}\n", ShimRig.Cancellation);

        Assert.Equal(expected is null ? null : temp.Sub(expected), CgroupDelegation.Find(temp.Sub("mounts"), temp.Sub("own"), isRoot: false, hasManager: true));
    }

    private static TestGroup RealParent()
    {
        var mount = File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')).FirstOrDefault(fields => fields.Contains("cgroup2"))?[4];
        Assert.SkipUnless(Environment.IsPrivilegedProcess && mount is not null && File.Exists(mount + "/cgroup.procs"), "needs root and a cgroup v2 mount");
        return TestGroup.TryMake(mount!) ?? throw Xunit.Sdk.SkipException.ForSkip("the cgroup v2 mount takes no groups");
    }

    private sealed class FakeGroup : IDisposable
    {
        private static readonly string[] Files =
            ["cgroup.procs", "cgroup.kill", "memory.max", "memory.swap.max", "memory.oom.group", "memory.events", "pids.max", "pids.events", "cpu.max"];

        private readonly TempDirectory _temp = new();

        public FakeGroup(params string[] without)
        {
            Directory.CreateDirectory(Path);
            File.WriteAllText(System.IO.Path.Combine(Parent, "cgroup.subtree_control"), "");
            foreach (var name in Files.Except(without))
            {
                Write(name, "");
            }
        }

        public string Parent => _temp.Path;

        public string Path => _temp.Sub("ozf-private");

        public string Read(string name) => File.ReadAllText(System.IO.Path.Combine(Path, name));

        public void Write(string name, string text) => File.WriteAllText(System.IO.Path.Combine(Path, name), text);

        public void Dispose() => _temp.Dispose();
    }
}
