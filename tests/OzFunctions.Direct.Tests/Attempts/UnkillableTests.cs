using OzFunctions.Direct.Shims;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Attempts;

/// <summary>A process of an attempt cannot be ended (it became another account): that is said, and changes nothing about what is known.</summary>
public sealed class UnkillableTests
{
    private const string Sentence = "Processes 4711 of a dead shim could not be ended.";

    [Fact(Timeout = 240_000)]
    public async Task The_exit_code_that_a_dead_supervisor_wrote_down_stands()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo said; exit 3");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        rig.Temp.Write("go", "");
        await rig.WaitForStatusAsync(first, status => status.Find(ShimPhase.Agent) is { Ended: true });
        await ShootShimAsync(first);

        var backend = CreateBackend(rig);
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 3), (outcome.Reason, outcome.Attempt.ExitCode));
        Assert.Contains(Sentence, outcome.Attempt.Warnings!);
        Assert.Contains("out: said\n", rig.LogOf(second), StringComparison.Ordinal);
    }

    [Fact(Timeout = 240_000)]
    public async Task A_run_whose_supervisor_was_killed_is_a_lost_one()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"echo said; touch {rig.Temp["started"]}; exec sleep 600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = CreateBackend(rig).RunAsync(attempt, BackendRig.Cancellation);
        await rig.WaitForFileAsync(rig.Temp["started"]);
        await rig.WaitForOutputAsync(attempt, "said");
        await ShootShimAsync(attempt);

        var outcome = await running;

        Assert.Equal(RunReason.HostLost, outcome.Reason);
        Assert.Contains(Sentence, outcome.Attempt.Warnings!);
        Assert.Contains("out: said\n", rig.LogOf(attempt), StringComparison.Ordinal);
    }

    private static async Task ShootShimAsync(FakeOwnedAttempt attempt)
    {
        var shim = BackendRig.ShimOf(attempt);
        Testing.Signals.Send(shim.Id, 9);
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => !Testing.ProcessTable.IsAlive(shim.Id), TimeSpan.FromMinutes(1)), BackendRig.Cancellation));
    }

    private static DirectBackend CreateBackend(BackendRig rig) => DirectBackend.CreateOver(
        rig.Options, new SomeStay(new Shims.Shims(BackendRig.Binary, TimeProvider.System)), rig.Blobs, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);

    /// <summary>The real ones, whose sweeps end everything and say that they did not.</summary>
    private sealed class SomeStay(IShims shims) : IShims
    {
        public Task<IShimSession> LaunchAsync(ShimLaunch launch, CancellationToken cancellationToken) => shims.LaunchAsync(launch, cancellationToken);

        public Task<IShimSession?> TryAttachAsync(string privateDirectory, CancellationToken cancellationToken) => shims.TryAttachAsync(privateDirectory, cancellationToken);

        public ShimStatus? ReadStatus(string privateDirectory) => shims.ReadStatus(privateDirectory);

        public ShimStatus? Identify(string privateDirectory) => shims.Identify(privateDirectory);

        public void Continue(string privateDirectory, ShimStatus? known) => shims.Continue(privateDirectory, known);

        public void Kill(string privateDirectory, ShimStatus? known) => shims.Kill(privateDirectory, known);

        public async Task<int> SweepAsync(string privateDirectory, ShimStatus? known, CancellationToken cancellationToken)
        {
            await shims.SweepAsync(privateDirectory, known, cancellationToken);
            throw new ShimException(Sentence);
        }
    }
}
