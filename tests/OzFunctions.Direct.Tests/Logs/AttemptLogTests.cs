using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using OzFunctions.Direct.Logs;
using OzFunctions.Shim.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.Logs;

public sealed class AttemptLogTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task What_commands_and_host_say_is_stored_in_order_and_sealed()
    {
        await using var scene = new LogScene();
        await using var log = scene.Open();

        log.AddHostLine("Workspace is made");
        scene.Session.Write(SpoolStream.SetupOut, "installing\n");
        scene.Session.End(ShimPhase.Setup);
        await log.FollowAsync(scene.Session, ShimPhase.Setup, Cancellation);
        log.AddHostLine("Agent starts");
        scene.Session.Write(SpoolStream.AgentOut, "hello\nbye");
        scene.Session.Write(SpoolStream.AgentErr, "oh\n");
        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        log.AddHostLine("Agent ended");
        var summary = await log.SealAsync(Cancellation);

        Assert.Equal(["host:Workspace is made", "setup:installing", "host:Agent starts", "out:hello", "err:oh", "out:bye", "host:Agent ended"], await scene.MessagesAsync());
        Assert.Equal(["hello", "oh", "bye"], scene.Seen);
        var stored = await scene.StoredAsync();
        Assert.Equal(7, summary.Lines);
        Assert.Equal(stored.Length, summary.Bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stored))), summary.Sha256);
        Assert.True(summary.Sealed);
        Assert.Equal(0, summary.CutBytes);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_line_can_be_read_while_the_agent_runs()
    {
        await using var scene = new LogScene();
        var stored = new TaskCompletionSource();
        scene.AfterAppend = _ =>
        {
            stored.TrySetResult();
            return null;
        };
        await using var log = scene.Open();

        var following = log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        scene.Session.Write(SpoolStream.AgentOut, "first\nhalf");
        await stored.Task;

        Assert.Equal(["out:first"], await scene.MessagesAsync());
        Assert.False(following.IsCompleted);

        scene.Session.End(ShimPhase.Agent);
        await following;
        await log.FlushAsync(Cancellation);
        Assert.Equal(["out:first", "out:half"], await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task Lines_wait_a_moment_for_more_and_ever_longer_after_many_appends()
    {
        var clock = new StepClock();
        await using var scene = new LogScene { Time = clock };
        scene.Options = new AttemptLogOptions { StretchAfter = 1 };
        var stored = Channel.CreateUnbounded<int>();
        scene.AfterAppend = number => stored.Writer.TryWrite(number) ? null : new InvalidOperationException();
        await using var log = scene.Open();

        log.AddHostLine("one");
        await clock.ArmedAsync(scene.Options.FlushAfter, Cancellation);
        clock.Advance(TimeSpan.FromMilliseconds(199));
        Assert.False(stored.Reader.TryRead(out _));
        clock.Advance(TimeSpan.FromMilliseconds(1));
        await stored.Reader.ReadAsync(Cancellation);

        log.AddHostLine("two");
        await clock.ArmedAsync(scene.Options.StretchedFlushAfter, Cancellation);
        clock.Advance(TimeSpan.FromMilliseconds(4999));
        Assert.False(stored.Reader.TryRead(out _));
        clock.Advance(TimeSpan.FromMilliseconds(1));
        await stored.Reader.ReadAsync(Cancellation);

        log.AddHostLine("three");
        await clock.ArmedAsync(TimeSpan.FromMinutes(1), Cancellation);
        clock.Advance(TimeSpan.FromMinutes(1));
        await stored.Reader.ReadAsync(Cancellation);
        Assert.Equal(["host:one", "host:two", "host:three"], await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_line_of_the_host_about_a_line_of_the_agent_stands_behind_it()
    {
        await using var scene = new LogScene();
        await using var log = scene.Open();
        scene.OnSeen = line => log.AddHostLine($"Seen: {line}");

        for (var i = 0; i < 50; i++)
        {
            scene.Session.Write(SpoolStream.AgentOut, $"{i}\n");
        }

        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        await log.SealAsync(Cancellation);

        Assert.Equal(Enumerable.Range(0, 50).SelectMany(i => new[] { $"out:{i}", $"host:Seen: {i}" }), await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task An_outage_of_the_store_holds_up_nobody_and_all_is_stored_in_order_afterwards()
    {
        await using var scene = new LogScene();
        scene.Options = scene.Options with { BatchBytes = 2000 };
        var away = true;
        scene.BeforeAppend = _ => Volatile.Read(ref away) ? LogScene.Away : null;
        await using var log = scene.Open();

        log.AddHostLine("begin");
        scene.Session.Write(SpoolStream.AgentOut, string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i}\n")));
        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        Assert.Equal(1000, scene.Seen.Count);
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => log.FlushAsync(Cancellation));
        Assert.Equal("", await scene.StoredAsync());

        var sealing = log.SealAsync(Cancellation);
        Volatile.Write(ref away, false);
        await sealing;

        Assert.Equal(["host:begin", .. Enumerable.Range(0, 1000).Select(i => $"out:{i}")], await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_seal_of_a_log_that_is_refused_for_good_is_given_up_after_ten_minutes()
    {
        var time = new ManualTimeProvider();
        await using var scene = new LogScene { Time = time };
        scene.BeforeAppend = _ => LogScene.Refused;
        await using var log = scene.Open();
        await WriteAsync(scene, log, 3);
        await AdvanceAsync(time, TimeSpan.FromHours(1), new TaskCompletionSource().Task);
        var began = time.GetTimestamp();

        var sealing = log.SealAsync(Cancellation);
        await AdvanceAsync(time, TimeSpan.FromMinutes(9), sealing);
        Assert.False(sealing.IsCompleted);
        await AdvanceAsync(time, TimeSpan.FromMinutes(3), sealing);

        Assert.Equal("412 LeaseIdMissing", (await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => sealing)).Message);
        Assert.InRange(time.GetElapsedTime(began), TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(12));
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => log.FlushAsync(Cancellation));
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => log.SealAsync(Cancellation));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_seal_waits_out_any_outage_and_a_refusal_of_some_minutes(bool away)
    {
        var time = new ManualTimeProvider();
        await using var scene = new LogScene { Time = time };
        scene.BeforeAppend = _ => away ? LogScene.Away : LogScene.Refused;
        await using var log = scene.Open();
        await WriteAsync(scene, log, 3);

        var sealing = log.SealAsync(Cancellation);
        await AdvanceAsync(time, away ? TimeSpan.FromDays(1) : TimeSpan.FromMinutes(9), sealing);
        scene.Heal();
        await AdvanceAsync(time, TimeSpan.FromMinutes(1), sealing);

        Assert.True((await sealing).Sealed);
        Assert.Equal(["out:0", "out:1", "out:2"], await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task Lost_answers_double_nothing()
    {
        await using var scene = new LogScene();
        scene.Options = scene.Options with { BatchBytes = 500 };
        scene.AfterAppend = number => number % 2 == 0 ? LogScene.Away : null;
        await using var log = scene.Open();

        await WriteAsync(scene, log, 300);
        var summary = await log.SealAsync(Cancellation);

        Assert.Equal(Enumerable.Range(0, 300).Select(i => $"out:{i}"), await scene.MessagesAsync());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(await scene.StoredAsync()))), summary.Sha256);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_unforeseen_exception_of_the_store_ends_nothing()
    {
        await using var scene = new LogScene();
        scene.Options = scene.Options with { BatchBytes = 500 };
        scene.BeforeAppend = number => number is 2 or 5 ? new TimeoutException() : null;
        await using var log = scene.Open();

        await WriteAsync(scene, log, 300);
        await log.SealAsync(Cancellation);

        Assert.Equal(Enumerable.Range(0, 300).Select(i => $"out:{i}"), await scene.MessagesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_seal_can_be_asked_for_twice_and_a_later_line_changes_nothing()
    {
        await using var scene = new LogScene();
        await using var log = scene.Open();
        await WriteAsync(scene, log, 3);

        var first = await log.SealAsync(Cancellation);
        log.AddHostLine("too late");
        await log.FlushAsync(Cancellation);

        Assert.Equal(first, await log.SealAsync(Cancellation));
        Assert.Equal(3, (await scene.LinesAsync()).Count);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_attempt_without_output_has_an_empty_log()
    {
        await using var scene = new LogScene();
        await using var log = scene.Open();

        var summary = await log.SealAsync(Cancellation);

        Assert.Equal(0, summary.Lines);
        Assert.Equal(0, summary.Bytes);
        Assert.True(summary.Sealed);
    }

    [Fact(Timeout = 180_000)]
    public async Task Every_byte_passes_the_filter_before_it_is_seen_or_stored()
    {
        await using var scene = new LogScene { Filters = () => new HoldingFilter() };
        await using var log = scene.Open();
        log.AddHostLine("we have a key");
        scene.Session.Write(SpoolStream.AgentOut, "a k");
        scene.Session.Write(SpoolStream.AgentOut, "ey and a kettle\n");
        scene.Session.Write(SpoolStream.AgentErr, "no k");
        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        await log.SealAsync(Cancellation);

        Assert.Equal(["host:we have a ***", "out:a *** and a kettle", "err:no k"], await scene.MessagesAsync());
        Assert.Equal(["a *** and a kettle", "no k"], scene.Seen);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_observer_is_spared_lines_of_many_megabytes()
    {
        await using var scene = new LogScene();
        await using var log = scene.Open();
        scene.Session.Write(SpoolStream.AgentOut, new string('x', (4 << 20) + 100) + "\nshort\n");
        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);

        Assert.Equal(["short"], scene.Seen);
    }

    [Fact(Timeout = 180_000)]
    public async Task After_it_is_disposed_nobody_waits_in_vain()
    {
        await using var scene = new LogScene();
        scene.BeforeAppend = _ => LogScene.Away;
        var log = scene.Open();
        await WriteAsync(scene, log, 3);
        var sealing = log.SealAsync(Cancellation);

        await log.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => sealing);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => log.FlushAsync(Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Disposing_ends_a_follower()
    {
        await using var scene = new LogScene();
        var log = scene.Open();
        var following = log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);

        await log.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task However_output_and_host_lines_meet_rendering_again_gives_the_same_bytes(int seed)
    {
        await using var scene = new LogScene();
        scene.Options = scene.Options with { BatchBytes = 300, FlushAfter = TimeSpan.Zero };
        await using var log = scene.Open();
        var following = log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        var writing = Task.Run(
            () =>
            {
                var random = new Random(seed);
                for (var i = 0; i < 1000; i++)
                {
                    var text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => "ab €\r\n"[random.Next(6)]));
                    scene.Session.Write(random.Next(2) == 0 ? SpoolStream.AgentOut : SpoolStream.AgentErr, text);
                }

                scene.Session.End(ShimPhase.Agent);
            },
            Cancellation);
        for (var i = 0; i < 200; i++)
        {
            log.AddHostLine($"host {i}");
        }

        await writing;
        await following;
        await log.SealAsync(Cancellation);

        Assert.Equal(await scene.UndisturbedAsync(), await scene.StoredAsync());
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"host:host {i}"), (await scene.MessagesAsync()).Where(message => message.StartsWith("host:", StringComparison.Ordinal)));
    }

    /// <summary>Lets this time pass, a wait of the log after the other, or until the work is done.</summary>
    private static async Task AdvanceAsync(ManualTimeProvider time, TimeSpan by, Task work)
    {
        for (var began = time.GetTimestamp(); !work.IsCompleted && time.GetElapsedTime(began) < by;)
        {
            if (await Task.WhenAny(work, time.TimerArmedAsync(1, Cancellation)) != work)
            {
                time.Advance(TimeSpan.FromSeconds(15));
            }
        }
    }

    private static async Task WriteAsync(LogScene scene, IAttemptLog log, int lines)
    {
        for (var i = 0; i < lines; i++)
        {
            scene.Session.Write(SpoolStream.AgentOut, $"{i}\n");
        }

        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
    }
}
