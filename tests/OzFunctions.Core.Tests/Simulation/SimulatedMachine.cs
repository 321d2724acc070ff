using System.Collections.Concurrent;
using System.Security.Cryptography;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A machine: attempt directories with their locks, and how often each attempt's agent was executed.</summary>
internal sealed class SimulatedMachine(string name)
{
    private static int _next;
    private int _failedDiscards;

    public string Name { get; } = name;

    public ConcurrentDictionary<string, SimulatedDirectory> Directories { get; } = new();

    /// <summary>Locks of hosts that sent to foreign ground, by host id; free once their process is killed.</summary>
    public ConcurrentDictionary<string, SimulatedProcess?> HostLocks { get; } = new();

    /// <summary>Executions of the agent by run and attempt. The shim executes at most once per attempt (C10).</summary>
    public ConcurrentDictionary<(RunId, int), int> Executions { get; } = new();

    /// <summary>The runs in the order in which their agents were executed.</summary>
    public ConcurrentQueue<RunId> Order { get; } = new();

    /// <summary>What the record said when the agent was executed: INPROGRESS, or somebody took over meanwhile.</summary>
    public ConcurrentQueue<RunState> StatesAtExecution { get; } = new();

    /// <summary>Gone for good, with all that was on it.</summary>
    public bool Lost { get; set; }

    /// <summary>A fault on purpose: the agent is executed before the record says so (C9 and C10 changed places).</summary>
    public bool StartsTooEarly { get; init; }

    /// <summary>A fault on purpose: adoption throws away what it finds, whosever it is (A2 undone).</summary>
    public bool ThrowsAway { get; init; }

    /// <summary>A fault on purpose: attempts end without their log (S2 left out).</summary>
    public bool KeepsNoLog { get; init; }

    /// <summary>Runs whose directory was discarded: processes ended, workspace removed.</summary>
    public ConcurrentQueue<RunId> Discarded { get; } = new();

    /// <summary>Ending what a directory's shim still runs fails in a way that nobody foresaw.</summary>
    public bool DiscardFails { get; set; }

    /// <summary>Where all attempts of this machine work; null: each has its own directory.</summary>
    public string? SharedWorkspace { get; set; }

    /// <summary>How often it did.</summary>
    public int FailedDiscards => _failedDiscards;

    public void NoteFailedDiscard() => Interlocked.Increment(ref _failedDiscards);

    /// <summary>What a discard waits for, as for a teardown. Default: nothing.</summary>
    public Task Teardown { get; set; } = Task.CompletedTask;

    /// <summary>Set when a discard has begun to wait.</summary>
    public TaskCompletionSource Discarding { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Never the same on two machines: owner.dir must tell them apart, as 64 random bits do.</summary>
    public string NextName() => Interlocked.Increment(ref _next).ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>What stands on disk in an attempt directory, and what its shim knows.</summary>
internal sealed class SimulatedDirectory
{
    public AttemptIntent? Intent { get; set; }

    public AttemptOutcome? Outcome { get; set; }

    public SimulatedProcess? LockedBy { get; set; }

    /// <summary>The agent was executed, and ended: the shim's status.</summary>
    public bool AgentExecuted { get; set; }

    public bool Teardown { get; set; }

    public bool ShimLost { get; set; }
}

/// <summary>Runs "agents" that end when the world says so; obeys orders; keeps to the steps of design section 8.</summary>
internal sealed class SimulatedBackend(SimulatedProcess process, SimulatedMachine machine) : IRunBackend
{
    public string? Shortage { get; set; }

    public string? FindShortage() => Shortage;

    public IHostLock HostLocks { get; } = new MachineLocks(process, machine);

    public IAttemptDirectory CreateDirectory(AttemptIntent intent)
    {
        var name = machine.NextName();
        var directory = machine.Directories[name] = new() { Intent = intent, LockedBy = process };
        lock (directory)
        {
            if (process.IsKilled)
            {
                // The rest of a killed process runs on until its next call; what it leaves is not locked.
                directory.LockedBy = null;
            }
        }

        return new Handle(process, machine, name);
    }

    public IReadOnlyList<IAttemptDirectory> TakeAbandonedDirectories(string store, Func<string, AttemptIntent, bool>? isWanted = null)
    {
        var taken = new List<IAttemptDirectory>();
        foreach (var (name, directory) in machine.Directories)
        {
            if (directory.Intent is { } intent && isWanted?.Invoke(name, intent) == false)
            {
                continue;
            }

            lock (directory)
            {
                if (directory.LockedBy is null && !process.IsKilled)
                {
                    if (machine.ThrowsAway)
                    {
                        machine.Directories.TryRemove(name, out _);
                        continue;
                    }

                    directory.LockedBy = process;
                    taken.Add(new Handle(process, machine, name));
                }
            }
        }

        return taken;
    }

    public async Task<AttemptOutcome> RunAsync(IOwnedAttempt attempt, CancellationToken detach)
    {
        var directory = machine.Directories[attempt.Directory.Name];
        var runId = attempt.Record.RunId;
        var key = (runId, attempt.Record.Attempt);
        await StepAsync(attempt, ProtocolStep.C8);

        AttemptRecord measured = new() { Attempt = attempt.Record.Attempt, HostId = "" };
        AttemptOutcome outcome;
        if (attempt.Adopted && directory.ShimLost)
        {
            outcome = new() { Reason = RunReason.HostLost, Message = "the shim is gone", Attempt = measured };
        }
        else
        {
            outcome = await RunAgentAsync(attempt, directory, key, measured, detach);
        }

        await StepAsync(attempt, ProtocolStep.S1);
        var leavesFiles = directory.AgentExecuted && (process.World.AgentsLeaveFiles || World.PlanOf(attempt.Record) == AgentPlan.UntilTold);
        if (leavesFiles && !machine.KeepsNoLog)
        {
            await StoreAsync(() => StoreLogAsync(RunBlobs.Log(runId, attempt.Record.Attempt), detach), detach);
            outcome = outcome with { Attempt = outcome.Attempt with { Log = SimulatedFiles.SealedLog } };
        }

        await StepAsync(attempt, ProtocolStep.S2);
        if (leavesFiles)
        {
            await StoreAsync(() => process.Core.Ports.Blobs.PutAsync(RunBlobs.Artifact(runId, attempt.Record.Attempt, SimulatedFiles.ArtifactName), SimulatedFiles.Artifact, detach), detach);
        }

        await StepAsync(attempt, ProtocolStep.S3);
        directory.Teardown = true;
        await StepAsync(attempt, ProtocolStep.S4);
        await StepAsync(attempt, ProtocolStep.S5);
        lock (directory)
        {
            if (!process.IsKilled)
            {
                directory.Outcome = outcome;
            }
        }

        await StepAsync(attempt, ProtocolStep.S6);
        return outcome;
    }

    private async Task<AttemptOutcome> RunAgentAsync(
        IOwnedAttempt attempt, SimulatedDirectory directory, (RunId, int) key, AttemptRecord measured, CancellationToken detach)
    {
        if (!directory.AgentExecuted)
        {
            if (machine.StartsTooEarly)
            {
                await ExecuteAsync(attempt, directory, key);
            }

            var permission = await attempt.StartAsync(masksSha256: "00ff", detach);
            await process.AliveAsync();
            if (permission != StartPermission.Start)
            {
                return new() { Reason = ReasonOf(attempt.StopOrder ?? StopOrder.Cancel), Message = "stopped before the start", Attempt = measured, NotExecuted = true };
            }

            await ExecuteAsync(attempt, directory, key);
            await StepAsync(attempt, ProtocolStep.C10);
            await attempt.NoteStartedAsync(detach);
        }

        var plan = World.PlanOf(attempt.Record);
        if (plan == AgentPlan.CrashesBackend)
        {
            throw new InvalidOperationException("a fault of the host");
        }

        if (plan == AgentPlan.UntilTold)
        {
            await Task.WhenAny(process.World.AgentsEnd.Task, attempt.StopOrdered.FiredAsync(detach));
        }

        if (plan == AgentPlan.UntilStopped || (plan == AgentPlan.UntilTold && !process.World.AgentsEnd.Task.IsCompleted))
        {
            await attempt.StopOrdered.FiredAsync(detach);
            return new() { Reason = ReasonOf(attempt.StopOrder), Message = "stopped", Attempt = measured };
        }

        return plan == AgentPlan.Fails
            ? new() { Reason = RunReason.AgentInvocation, Message = "exit 3", Attempt = measured with { ExitCode = 3 } }
            : new() { Reason = RunReason.Completed, Attempt = measured with { ExitCode = 0 } };
    }

    private static RunReason ReasonOf(StopOrder? order) => order switch
    {
        StopOrder.Cancel => RunReason.TaskCancelled,
        StopOrder.Shutdown => RunReason.GracefulShutdown,
        _ => RunReason.HostLost,
    };

    /// <summary>Log and artifacts of an agent; a store that is away is waited for.</summary>
    private async Task StoreAsync(Func<Task> store, CancellationToken detach)
    {
        while (true)
        {
            try
            {
                await store();
                return;
            }
            catch (BlobStoreException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), process.Core.Ports.Time, detach);
            }
        }
    }

    private async Task StoreLogAsync(string name, CancellationToken detach)
    {
        // Refused: a host before this one stored it, or an answer was lost.
        if (!await process.Core.Ports.Blobs.TryAppendAsync(name, 0, SimulatedFiles.Log, detach)
            && (await process.Core.Ports.Blobs.FindAsync(name, detach))?.Content.Span.SequenceEqual(SimulatedFiles.Log.Span) != true)
        {
            throw new InvalidOperationException($"{name} holds something else.");
        }
    }

    /// <summary>C10: the shim does it at most once, and only for a host that lives.</summary>
    private async Task ExecuteAsync(IOwnedAttempt attempt, SimulatedDirectory directory, (RunId, int) key)
    {
        lock (directory)
        {
            if (process.IsKilled || directory.AgentExecuted)
            {
                return;
            }

            directory.AgentExecuted = true;
            machine.Executions.AddOrUpdate(key, 1, (_, count) => count + 1);
            machine.Order.Enqueue(attempt.Record.RunId);
        }

        if (await process.World.FindAsync(attempt.Record.RunId) is { } record && record.Owner == attempt.Record.Owner)
        {
            machine.StatesAtExecution.Enqueue(record.State);
        }
    }

    private async Task StepAsync(IOwnedAttempt attempt, ProtocolStep step)
    {
        await process.AliveAsync();
        attempt.Probe.Passed(step, attempt.Record.RunId);
        await process.AliveAsync();
    }

    private sealed class Handle(SimulatedProcess process, SimulatedMachine machine, string name) : IAttemptDirectory
    {
        public string Name => name;

        public AttemptIntent? Intent => machine.Directories.TryGetValue(name, out var directory) ? directory.Intent : null;

        public string? FindSharedWorkspace() => machine.SharedWorkspace;

        public AttemptOutcome? FindOutcome() => machine.Directories.TryGetValue(name, out var directory) ? directory.Outcome : null;

        public async Task DiscardAsync(CancellationToken cancellationToken)
        {
            await process.AliveAsync();
            if (machine.DiscardFails)
            {
                machine.NoteFailedDiscard();
                throw new InvalidOperationException("the shim does not answer");
            }

            machine.Discarding.TrySetResult();
            await machine.Teardown.WaitAsync(cancellationToken);
            machine.Discarded.Enqueue(Intent!.RunId);
            Delete();
        }

        public void Delete()
        {
            if (machine.Directories.TryGetValue(name, out var directory))
            {
                lock (directory)
                {
                    if (!process.IsKilled && directory.LockedBy == process)
                    {
                        machine.Directories.TryRemove(name, out _);
                    }
                }
            }
        }

        public void Dispose()
        {
            if (!process.IsKilled && machine.Directories.TryGetValue(name, out var directory) && directory.LockedBy == process)
            {
                directory.LockedBy = null;
            }
        }
    }
}

internal enum AgentPlan
{
    Succeeds,
    Fails,
    UntilStopped,
    CrashesBackend,

    /// <summary>Ends by itself when the world says so, and leaves a log and an artifact.</summary>
    UntilTold,
}

/// <summary>What an agent leaves in the store.</summary>
internal static class SimulatedFiles
{
    public const string ArtifactName = "report.txt";

    public static ReadOnlyMemory<byte> Log => "{\"n\":1,\"s\":\"out\",\"m\":\"done\"}\n"u8.ToArray();

    public static LogSummary SealedLog { get; } = new() { Lines = 1, Bytes = Log.Length, Sha256 = Convert.ToHexStringLower(SHA256.HashData(Log.Span)), Sealed = true };

    public static ReadOnlyMemory<byte> Artifact => "all is well"u8.ToArray();
}

/// <summary>What a killed process held is free; what it still runs holds nothing any more.</summary>
internal sealed class MachineLocks(SimulatedProcess process, SimulatedMachine machine) : IHostLock
{
    public IHeldHostLock Hold(string hostId)
    {
        machine.HostLocks[hostId] = process;
        return new Held(process, machine, hostId);
    }

    public HostLockState? Find(string hostId) => machine.HostLocks.TryGetValue(hostId, out var holder) ? new(holder is { IsKilled: false }, TimeSpan.Zero) : null;

    public void Forget(string hostId) => machine.HostLocks.TryRemove(hostId, out _);

    private sealed class Held(SimulatedProcess process, SimulatedMachine machine, string hostId) : IHeldHostLock
    {
        public bool Renew() => true;

        // The file stays, and is free: what others see of a process that is gone.
        public void Dispose() => machine.HostLocks.TryUpdate(hostId, null, process);
    }
}
