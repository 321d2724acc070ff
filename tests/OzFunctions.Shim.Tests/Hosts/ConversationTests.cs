using System.Net.Sockets;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Hosts;

public sealed class ConversationTests
{
    [Fact(Timeout = 180_000)]
    public async Task Several_hosts_see_the_same()
    {
        await using var rig = new ShimRig();
        var first = await rig.LaunchAsync();
        var second = await rig.AttachAsync();
        await first.StartAsync(rig.Sh("echo one; sleep 0.2; exit 2"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(first, "one");

        Assert.Equal(2, (await first.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation)).ExitCode);
        await second.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);
        Assert.Equal(2, (await second.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation)).ExitCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task Strange_talk_ends_that_conversation_and_nothing_else()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        using var stranger = ShimSocket.TryConnect(rig.PrivateDirectory)!;
        await stranger.SendAsync(new byte[] { 255, 255, 255, 127, 1, 2, 3 }, SocketFlags.None, ShimRig.Cancellation);
        var received = 1;
        while (received > 0)
        {
            received = await stranger.ReceiveAsync(new byte[4096], SocketFlags.None, ShimRig.Cancellation);
        }

        using var newer = new ShimConnection(ShimSocket.TryConnect(rig.PrivateDirectory)!);
        await newer.SendAsync(new MessageWriter(ShimMessage.Hello, 7).Int32(99), ShimRig.Cancellation);
        while (MessageReader.Open((await newer.ReceiveAsync(ShimRig.Cancellation))!) is { Id: not 7 })
        {
        }

        Assert.Equal(0, (await rig.RunAsync(session, rig.Sh("exit 0"))).ExitCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_ended_shim_is_no_zombie_and_frees_its_directory()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await rig.RunAsync(session, rig.Sh("exit 0"));

        await session.EndAsync(ShimRig.Cancellation);

        Assert.False(Directory.Exists($"/proc/{session.Status.Pid}"));
        Assert.False(ShimLock.IsHeld(rig.PrivateDirectory));
        Assert.Null(await ShimRig.Shims.TryAttachAsync(rig.PrivateDirectory, ShimRig.Cancellation));
        Assert.Equal(0, await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation));
        Assert.Equal("", await File.ReadAllTextAsync(Path.Combine(rig.PrivateDirectory, ShimProtocol.LogFile), ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task One_directory_has_one_shim()
    {
        await using var rig = new ShimRig();
        await rig.LaunchAsync();

        var refused = await Assert.ThrowsAsync<ShimException>(() => rig.LaunchAsync());

        Assert.Contains("Another shim lives in this directory", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_that_cannot_start_says_why()
    {
        await using var rig = new ShimRig();
        var shims = new Direct.Shims.Shims(new ShimBinary("/no/such/shim"), TimeProvider.System);
        var wrong = new Direct.Shims.Shims(new ShimBinary("/bin/cat"), TimeProvider.System);
        var launch = new ShimLaunch { PrivateDirectory = rig.PrivateDirectory, Lease = TimeSpan.FromMinutes(1) };

        var missing = await Assert.ThrowsAsync<ShimException>(() => shims.LaunchAsync(launch, ShimRig.Cancellation));
        var stranger = await Assert.ThrowsAsync<ShimException>(() => wrong.LaunchAsync(launch, ShimRig.Cancellation));

        Assert.Contains("/no/such/shim cannot be executed", missing.Message, StringComparison.Ordinal);
        Assert.Contains("did not come to be ready", stranger.Message, StringComparison.Ordinal);
        Assert.Null(ShimRig.Shims.ReadStatus(rig.PrivateDirectory));
        Assert.Equal(0, await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Waiting_for_output_ends_with_time_and_with_the_command()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("while [ ! -e go ]; do sleep 0.02; done"), ShimRig.Cancellation);

        await session.WaitForOutputAsync(SpoolPosition.Start, TimeSpan.FromMilliseconds(100), ShimRig.Cancellation);
        Assert.False(session.Status.Find(ShimPhase.Agent)!.Ended);
        var waiting = session.WaitForOutputAsync(SpoolPosition.Start, TimeSpan.FromMinutes(5), ShimRig.Cancellation);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);

        await waiting;
        Assert.True(session.Status.Find(ShimPhase.Agent)!.Ended);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_full_spool_of_a_command_keeps_head_and_tail()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(spoolBytes: 1 << 20);

        await rig.RunAsync(session, rig.Sh("i=0; while [ $i -lt 4000 ]; do printf '%s %01000d\\n' $i 0; i=$((i+1)); done"));

        using var reader = new SpoolReader(rig.SpoolDirectory, SpoolPosition.Start);
        var kept = default(SpoolTotals);
        var cut = default(SpoolTotals);
        var last = "";
        while (reader.TryRead(out var record))
        {
            // A line may be cut between two pieces.
            var piece = System.Text.Encoding.UTF8.GetString(record.Bytes.Span);
            last = last[^Math.Min(last.Length, 1_100)..] + piece;
            kept += new SpoolTotals(1, record.Bytes.Length, record.Bytes.Span.Count((byte)'\n'));
            cut += record.Cut;
        }

        Assert.Equal(4_000, kept.Lines + cut.Lines);
        Assert.Equal(Enumerable.Range(0, 4_000).Sum(i => i.ToString().Length + 1_002), kept.Bytes + cut.Bytes);

        // A piece is not split, so a segment may be left half empty, as the agent's writes and the shim's reads fall together.
        Assert.InRange(kept.Bytes, 512 << 10, 1 << 20);
        Assert.Contains("3999 0", last, StringComparison.Ordinal);
    }
}
