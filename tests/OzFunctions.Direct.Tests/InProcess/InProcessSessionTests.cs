using System.Runtime.InteropServices;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Shims.InProcess;
using OzFunctions.Shim.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.InProcess;

/// <summary>The supervisor within <c>ozf exec</c> where a system has no shim: whatever goes wrong, who waits for a command hears that it is over.</summary>
public sealed partial class InProcessSessionTests : IDisposable
{
    private const int Limit = 120_000;

    private readonly TempDirectory _temp = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _temp.Dispose();

    [Fact(Timeout = Limit)]
    public async Task A_command_that_cannot_be_ended_is_over_and_named_as_left()
    {
        var clock = new ManualTimeProvider();
        await using var session = NewSession(_ => new StubChild { Refusal = "access is denied" }, clock);
        await session.StartAsync(Command("true"), Cancellation);
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, Cancellation);

        var waiting = session.WaitAsync(ShimPhase.Agent, Cancellation);
        while (!waiting.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(waiting, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation));
        }

        var status = await waiting;
        Assert.Equal((true, false, ShimStopCause.Cancel, null), (status.Ended, status.Clean, status.StoppedBy, status.ExitCode));
        Assert.Equal([StubChild.Number], status.LeftOver);
    }

    [Fact(Timeout = Limit)]
    public async Task A_command_that_cannot_be_followed_is_over_and_its_end_is_not_known()
    {
        await using var session = NewSession(_ => new StubChild { Fault = new InvalidOperationException("no such handle"), HasExited = true }, TimeProvider.System);
        await session.StartAsync(Command("true"), Cancellation);

        var status = await session.WaitAsync(ShimPhase.Agent, Cancellation);

        Assert.Equal((true, null, null, "no such handle"), (status.Ended, status.ExitCode, status.Signal, status.StopDetail));
    }

    [Fact(Timeout = Limit)]
    public async Task A_command_that_cannot_be_started_for_any_reason_is_over_with_the_reason()
    {
        await using var session = NewSession(_ => throw new IOException("Too many open files"), TimeProvider.System);

        var status = await session.StartAsync(Command("true"), Cancellation);

        Assert.Equal((true, "Too many open files"), (status.Ended, status.StopDetail));
        Assert.NotEqual(0, status.SpawnError);
        Assert.True((await session.WaitAsync(ShimPhase.Agent, Cancellation)).Ended);
    }

    [Theory(Timeout = Limit)]
    [InlineData("exit 3", 3, null)]
    [InlineData("kill -9 $$", null, 9)]
    public async Task The_end_of_a_leader_that_somebody_else_took_in_is_what_was_seen_of_it(string script, int? code, int? signal)
    {
        using var child = PosixChild.Start(Command(script));
        await child.Exited.WaitAsync(Cancellation);
        Assert.Equal(child.Pid, WaitPid(child.Pid, 0, 0));

        var status = child.Finish(new ShimCommandStatus { Phase = ShimPhase.Agent });

        Assert.Equal((code, signal), (status.ExitCode, status.Signal));
    }

    [Fact(Timeout = Limit)]
    public async Task The_end_of_a_leader_that_lives_on_is_not_waited_for()
    {
        using var child = PosixChild.Start(Command("exec sleep 600"));
        var status = new ShimCommandStatus { Phase = ShimPhase.Agent };

        var unknown = await Task.Run(() => child.Finish(status), Cancellation).WaitAsync(Cancellation);

        Assert.Same(status, unknown);
        Assert.Null(child.EndAll());
        await child.Exited.WaitAsync(Cancellation);
        Assert.Equal(9, child.Finish(status).Signal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_command_that_may_not_be_signalled_is_not_taken_for_ended_and_is_named()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && OperatingSystem.IsLinux(), "needs root, to be another account for a moment");
        using var child = PosixChild.Start(Command("exec sleep 600"));

        var (lives, refused) = AsAnotherAccount(() => (child.TrySignal(2), child.EndAll()));

        Assert.True(lives);
        Assert.Contains($"Process {child.Pid} could not be ended", refused, StringComparison.Ordinal);
        Assert.False(child.Exited.IsCompleted);
        Assert.Null(child.EndAll());
        await child.Exited.WaitAsync(Cancellation);
        Assert.Null(child.EndAll());
        Assert.False(child.TrySignal(2));
        Assert.Equal(9, child.Finish(new ShimCommandStatus { Phase = ShimPhase.Agent }).Signal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_child_by_nets_own_means_is_ended_with_its_tree_and_asked_again_does_no_harm()
    {
        var marker = $"tree-{Guid.NewGuid():N}";
        using var child = new WindowsChild(Command($"sh -c 'sleep 600; : {marker}' & echo $!; wait"));
        using var reader = new StreamReader(child.Output);
        _ = await reader.ReadLineAsync(Cancellation);

        Assert.True(child.TrySignal(2));
        await child.Exited.WaitAsync(Cancellation);

        Assert.Null(child.EndAll());
        Assert.False(child.TrySignal(15));
        Assert.Equal(137, child.Finish(new ShimCommandStatus { Phase = ShimPhase.Agent }).ExitCode);
        await ProcessTable.AssertNoneAsync(marker, Cancellation);
    }

    private InProcessSession NewSession(Func<ShimCommand, Child> start, TimeProvider time)
    {
        var launch = new ShimLaunch { PrivateDirectory = _temp.Path, Lease = TimeSpan.FromDays(1), EndsWithHost = true };
        return new(launch, new ShimStatus { Version = ShimProtocol.Version, Pid = Environment.ProcessId, StartTicks = 1, BootId = "", Tag = 0 }, start, time);
    }

    private ShimCommand Command(string script) => new()
    {
        Phase = ShimPhase.Agent,
        Arguments = ["/bin/sh", "-c", script],
        Environment = ["PATH=/usr/local/bin:/usr/bin:/bin"],
        WorkingDirectory = _temp.Path,
        Timeout = TimeSpan.FromHours(1),
        StopGrace = TimeSpan.FromSeconds(1),
        FinishedGrace = TimeSpan.FromHours(1),
    };

    /// <summary>On a thread of its own: the kernel keeps the account for each thread, and only libc changes it for all.</summary>
    private static T AsAnotherAccount<T>(Func<T> action)
    {
        const int Nobody = 65_534;
        var setAccount = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 147 : 117;
        T? result = default;
        nint failed = -1;
        var thread = new Thread(() =>
        {
            failed = SystemCall(setAccount, Nobody, Nobody, Nobody);
            result = failed == 0 ? action() : default;
        });
        thread.Start();
        thread.Join();
        Assert.Equal(0, failed);
        return result!;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint real, nint effective, nint saved);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int WaitPid(int pid, nint status, int options);

    /// <summary>A command of no process, whose system refuses what it is told to.</summary>
    private sealed class StubChild : Child
    {
        public const int Number = 4711;
        private readonly TaskCompletionSource _exited = new();

        public string? Refusal { get; init; }

        public Exception? Fault { get; init; }

        public bool HasExited
        {
            init
            {
                if (value)
                {
                    _exited.SetResult();
                }
            }
        }

        public override int Pid => Number;

        public override long StartTicks => 1;

        public override Stream Output => Stream.Null;

        public override Stream Error => Stream.Null;

        public override Task Exited => _exited.Task;

        public override bool TrySignal(int signal) => true;

        public override string? EndAll() => Refusal;

        public override ShimCommandStatus Finish(ShimCommandStatus status) => Fault is null ? status : throw Fault;

        public override void Dispose()
        {
        }
    }
}
