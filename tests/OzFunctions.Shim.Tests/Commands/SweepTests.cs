using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

/// <summary>Whom the sweep ends after a shim, and above all whom it does not.</summary>
public sealed class SweepTests
{
    [Theory(Timeout = 180_000)]
    [InlineData(0)]
    [InlineData(1L << 60)]
    public async Task A_later_process_that_got_a_pid_of_the_dead_is_left_alone(long tag)
    {
        await using var later = new ShimRig();
        var session = await later.LaunchAsync();
        var bystander = await session.StartAsync(later.Sh("exec sleep 300"), ShimRig.Cancellation);
        using var dead = new TempDirectory();

        // As a shim would have recorded a leader of the same pid that has long ended.
        await WriteStatusAsync(dead, session.Status, bystander.Pid, bystander.StartTicks - 1, tag);

        Assert.Equal(0, await ShimRig.Shims.SweepAsync(dead.Path, ShimRig.Cancellation));
        Assert.False(session.Status.Find(ShimPhase.Agent)!.Ended);
        Assert.Equal(2, Tagged.Processes(session.Status.Tag).Length);
    }

    [Fact(Timeout = 180_000)]
    public async Task Without_a_tag_the_recorded_session_is_ended()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        var leader = await session.StartAsync(rig.Sh("sleep 300 & echo up; exec sleep 300"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");
        using var copy = new TempDirectory();
        await WriteStatusAsync(copy, session.Status, leader.Pid, leader.StartTicks, tag: 0);

        // The living shim ends the rest as soon as the leader is gone.
        Assert.InRange(await ShimRig.Shims.SweepAsync(copy.Path, ShimRig.Cancellation), 1, 2);
        Assert.Equal(9, (await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation)).Signal);
    }

    [Fact(Timeout = 180_000)]
    public async Task After_a_new_boot_nothing_is_looked_for()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        var leader = await session.StartAsync(rig.Sh("exec sleep 300"), ShimRig.Cancellation);
        using var copy = new TempDirectory();
        await WriteStatusAsync(copy, session.Status with { BootId = "another" }, leader.Pid, leader.StartTicks, session.Status.Tag);

        Assert.Equal(0, await ShimRig.Shims.SweepAsync(copy.Path, ShimRig.Cancellation));
        Assert.False(session.Status.Find(ShimPhase.Agent)!.Ended);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(0)]
    [InlineData(1)]
    public async Task What_shims_inside_a_shot_one_started_is_found_by_its_sweep(int shot)
    {
        await using var outer = new ShimRig();
        await using var middle = new ShimRig();
        await using var inner = new ShimRig();
        var sessions = new IShimSession[3];
        sessions[0] = await outer.LaunchAsync();

        // Hosts inside commands; each says the pid of its shim when that lives.
        var innermost = $"exec {string.Join(' ', Host(inner, "(setsid env -i sleep 300 &) & env -i setsid sleep 300 & sleep 300 & echo up; wait").Select(word => $"'{word}'"))}";
        await sessions[0].StartAsync(outer.Command(ShimPhase.Agent, [.. Host(middle, innermost)]), ShimRig.Cancellation);
        await outer.OutputHoldsAsync(sessions[0], "\n");
        sessions[1] = await middle.AttachAsync();
        await middle.OutputHoldsAsync(sessions[1], "\n");
        sessions[2] = await inner.AttachAsync();
        await inner.OutputHoldsAsync(sessions[2], "up\n");
        var rig = shot == 0 ? outer : middle;

        Assert.Equal(0, Signals.Send(sessions[shot].Status.Pid, "KILL"));
        await Assert.ThrowsAsync<ShimLostException>(() => sessions[shot].WaitAsync(ShimPhase.Agent, ShimRig.Cancellation));

        Assert.InRange(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation), 3, 30);
        Assert.All(sessions[shot..], session => Assert.Empty(Tagged.Processes(session.Status.Tag)));
        Assert.All(sessions[..shot], session => Assert.NotEmpty(Tagged.Processes(session.Status.Tag)));
        Assert.Equal(3, sessions.Select(session => session.Status.Tag).Distinct().Count());
    }

    [Theory(Timeout = 180_000)]
    [InlineData(null)]
    [InlineData("{")]
    [InlineData("another's")]
    public async Task A_living_shim_is_known_by_its_lock_whatever_stands_in_its_status(string? status)
    {
        await using var rig = new ShimRig();
        await using var other = new ShimRig();
        var session = await rig.LaunchAsync();
        var others = await other.LaunchAsync();
        await session.StartAsync(rig.Sh("setsid sleep 300 & exec sleep 300"), ShimRig.Cancellation);
        var file = Path.Combine(rig.PrivateDirectory, ShimProtocol.StatusFile);
        File.Delete(file);
        if (status is not null)
        {
            await File.WriteAllBytesAsync(file, status == "{" ? "{"u8.ToArray() : ShimStatusJson.Write(others.Status), ShimRig.Cancellation);
        }

        var found = ShimRig.Shims.Identify(rig.PrivateDirectory)!;
        Assert.Equal((session.Status.Pid, session.Status.StartTicks, session.Status.Tag), (found.Pid, found.StartTicks, found.Tag));
        ShimRig.Shims.Kill(rig.PrivateDirectory, known: null);
        await Assert.ThrowsAsync<ShimLostException>(() => session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation));
        Assert.True(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, found, ShimRig.Cancellation) > 0);

        Assert.Empty(Tagged.Processes(found.Tag));
        await others.PingAsync(ShimRig.Cancellation);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_living_shim_whose_lock_a_run_removed_is_known_by_its_arguments_and_attached_to(bool replaced)
    {
        await using var rig = new ShimRig();
        await using var other = new ShimRig();
        var session = await rig.LaunchAsync();
        await other.LaunchAsync();
        await session.StartAsync(rig.Sh("exec sleep 300"), ShimRig.Cancellation);
        File.Delete(Path.Combine(rig.PrivateDirectory, ShimProtocol.StatusFile));
        File.Delete(Path.Combine(rig.PrivateDirectory, ShimProtocol.LockFile));
        if (replaced)
        {
            await File.WriteAllTextAsync(Path.Combine(rig.PrivateDirectory, ShimProtocol.LockFile), "", ShimRig.Cancellation);
        }

        Assert.Equal((session.Status.Pid, session.Status.Tag), ShimRig.Shims.Identify(rig.PrivateDirectory) is { } found ? (found.Pid, found.Tag) : default);

        await using var attached = await ShimRig.Shims.TryAttachAsync(rig.PrivateDirectory, ShimRig.Cancellation);
        Assert.Equal(session.Status.Pid, attached?.Status.Pid);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_shot_shim_left_is_found_without_its_status_by_what_it_was_given()
    {
        await using var rig = new ShimRig();
        await using var other = new ShimRig();
        var session = await rig.LaunchAsync();
        var others = await other.LaunchAsync();
        var command = rig.Sh("(setsid env -i sleep 300 &) & exec sleep 300");
        await session.StartAsync(command with { Environment = [.. command.Environment, $"TMPDIR={rig.PrivateDirectory}/tmp"] }, ShimRig.Cancellation);

        // One that says so too, and is another supervisor's.
        var foreign = other.Sh("exec sleep 300");
        await others.StartAsync(foreign with { Environment = [.. foreign.Environment, $"TMPDIR={rig.PrivateDirectory}/tmp"] }, ShimRig.Cancellation);
        File.Delete(Path.Combine(rig.PrivateDirectory, ShimProtocol.StatusFile));
        Assert.Equal(0, Signals.Send(session.Status.Pid, "KILL"));
        await Assert.ThrowsAsync<ShimLostException>(() => session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation));

        Assert.Equal(session.Status.Tag, ShimRig.Shims.Identify(rig.PrivateDirectory)?.Tag);
        Assert.InRange(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation), 1, 5);

        Assert.Empty(Tagged.Processes(session.Status.Tag));
        Assert.Null(ShimRig.Shims.Identify(rig.PrivateDirectory));
        await others.PingAsync(ShimRig.Cancellation);
        Assert.False(others.Status.Find(ShimPhase.Agent)!.Ended);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_living_shim_wrote_counts_where_it_is_its_own()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await rig.RunAsync(session, rig.Sh("exit 3"));

        Assert.Equal(3, ShimRig.Shims.Identify(rig.PrivateDirectory)?.Find(ShimPhase.Agent)?.ExitCode);
    }

    /// <summary>The first status is not waited for to be on the disk; some file systems keep the name and lose the bytes.</summary>
    [Theory(Timeout = 180_000)]
    [InlineData(0)]
    [InlineData(155)]
    public async Task A_status_that_a_loss_of_power_emptied_is_none(int zeros)
    {
        await using var rig = new ShimRig();
        Directory.CreateDirectory(rig.PrivateDirectory);
        await File.WriteAllBytesAsync(Path.Combine(rig.PrivateDirectory, ShimProtocol.StatusFile), new byte[zeros], ShimRig.Cancellation);

        Assert.Null(ShimRig.Shims.ReadStatus(rig.PrivateDirectory));
        Assert.Equal(0, (await rig.RunAsync(await rig.LaunchAsync(), rig.Sh("exit 0"))).ExitCode);
    }

    /// <summary>This program as a host (see Program.cs), by way of env because commands have an environment of their own.</summary>
    private static IEnumerable<string> Host(ShimRig rig, string script) =>
    [
        "/usr/bin/env", $"DOTNET_ROOT={Environment.GetEnvironmentVariable("DOTNET_ROOT")}", "DOTNET_EnableDiagnostics=0",
        Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests"), "host", rig.PrivateDirectory, rig.Workspace, "600", script,
    ];

    private static Task WriteStatusAsync(TempDirectory directory, ShimStatus like, int pid, long startTicks, long tag) => File.WriteAllBytesAsync(
        directory.Sub(ShimProtocol.StatusFile),
        ShimStatusJson.Write(like with { Tag = tag, Commands = [new() { Phase = ShimPhase.Agent, Pid = pid, StartTicks = startTicks }] }),
        ShimRig.Cancellation);
}
