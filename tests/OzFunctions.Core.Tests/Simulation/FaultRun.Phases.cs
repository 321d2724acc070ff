using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>What the phases do beside the process that meets the fault.</summary>
internal sealed partial class FaultRun
{
    /// <summary>A host that is killed right after the step.</summary>
    private static async Task<SimulatedProcess> DieAsync(World world, SimulatedMachine machine, ProtocolStep after, CancellationToken cancellationToken)
    {
        var dying = world.NewProcess(after);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(cancellationToken);
        return dying;
    }

    private static async Task LoseMachineAsync(World world, RunSubmission submission, ProtocolStep after, CancellationToken cancellationToken)
    {
        await World.PatientlyAsync(() => world.NewProcess().Core.Intake.SubmitAsync(submission, cancellationToken), cancellationToken);
        var lost = world.NewMachine("lost");
        var dying = await DieAsync(world, lost, after, cancellationToken);
        lost.Lost = true;

        // A heartbeat that is on its way when its host dies makes it live until its lease is over again.
        await dying.NothingOnTheWayAsync();
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
    }

    /// <summary>T4, then T1: what was lost before its start waits for 10 s.</summary>
    private static async Task TickAsync(World world, SimulatedProcess faulty, CancellationToken cancellationToken)
    {
        for (var ticks = 0; ticks < 2 && !faulty.IsKilled; ticks++)
        {
            await EndAsync(faulty.Core.Tick.TickAsync(cancellationToken), faulty, cancellationToken);
            world.Clock.Shift(TimeSpan.FromSeconds(11));
        }
    }

    /// <summary>The agent goes on until the fault has come; a killed host's next one goes on with it. Then it is cancelled.</summary>
    private async Task WatchAsync(World world, SimulatedMachine machine, SimulatedProcess faulty, RunId run, int step, CancellationToken cancellationToken)
    {
        world.StartHost(faulty, machine);
        if (step > 0)
        {
            await _fault!.Meeting.WaitAsync(cancellationToken);
            if (_fault.Kills)
            {
                await faulty.Killed.WaitAsync(cancellationToken);
                world.StartHost(machine);
            }
        }

        await world.UntilAsync(
            () =>
            {
                world.PulseSoon();
                return Task.FromResult(world.ExecutionsOf(run) > 0);
            },
            cancellationToken);
        await world.NewProcess().Core.Cancels.CancelAsync(run, "ann", null, cancellationToken);
    }

    /// <summary>Another run of the same key, claimed by a host that stopped before it took the key.</summary>
    private static async Task<Holder> ClaimFirstAsync(World world, RunRequest request, CancellationToken cancellationToken)
    {
        var ask = World.Ask(AgentPlan.UntilStopped);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { ConcurrencyKey = request.ConcurrencyKey } }, cancellationToken)).Run.RunId;
        var process = world.NewPausedProcess(ProtocolStep.C5);
        world.StartHost(process, world.NewMachine("m2"), slots: 1);
        await process.Paused.WaitAsync(cancellationToken);
        return new(run, process);
    }

    /// <summary>The other run takes the key when this one has been claimed and does not hold it yet; it ends when this one waits for it, or has not met it.</summary>
    private async Task GiveBackAsync(World world, SimulatedMachine machine, SimulatedProcess faulty, RunId run, Holder holder, CancellationToken cancellationToken)
    {
        faulty.Faults = new HeldMeanwhile(_fault!, () => faulty.Steps.Contains(ProtocolStep.C5), async () =>
        {
            holder.Process.Resume();
            await world.UntilAsync(async () => (await world.NamesAsync("locks/")).Count > 0, cancellationToken);
        });
        world.StartHost(faulty, machine);
        await world.UntilAsync(
            () =>
            {
                world.PulseSoon();
                var versions = world.Versions.Where(version => version.RunId == run).ToList();
                return Task.FromResult(faulty.IsKilled || versions.Exists(version => version.State.IsTerminal())
                    || (versions.Exists(version => version.WaitingFor == WaitingFor.ConcurrencyKey) && machine.Directories.IsEmpty));
            },
            cancellationToken);
        _isGivenBack = true;
        holder.Process.Resume();
        await world.NewProcess().Core.Cancels.CancelAsync(holder.Run, "ann", null, cancellationToken);
    }

    /// <summary>Who is to hold the key first.</summary>
    private sealed record Holder(RunId Run, SimulatedProcess Process);

    /// <summary>Another one takes the lock just before this process looks at it for its claim.</summary>
    private sealed class HeldMeanwhile(StepFault fault, Func<bool> isClaimed, Func<Task> hold) : IPortFaults
    {
        private int _held;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            if (call.Name.StartsWith("locks/", StringComparison.Ordinal) && isClaimed() && Interlocked.Exchange(ref _held, 1) == 0)
            {
                await hold();
            }

            return await fault.CallAsync(call, make, refused);
        }
    }
}
