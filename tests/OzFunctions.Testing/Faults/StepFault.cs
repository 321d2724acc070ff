using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Testing.Faults;

/// <summary>What becomes of the process at the step.</summary>
public enum FaultKind
{
    /// <summary>Killed; the call was not made.</summary>
    KillBefore,

    /// <summary>Killed; the call was made, and nobody heard the answer.</summary>
    KillAfter,

    /// <summary>The store did not answer and did nothing.</summary>
    FailBefore,

    /// <summary>The store did it and did not answer.</summary>
    FailAfter,

    /// <summary>The store did it; the SDK repeated the call and reports the success as a refused condition.</summary>
    Refused,

    /// <summary>The store did not answer, and does it just before the process' next write.</summary>
    LateByOne,

    /// <summary>The same, before the write after that.</summary>
    LateByTwo,
}

/// <summary>One fault at the n-th step of one process, counted over its ports and the protocol's steps alike. A step of 0 never comes: it counts.</summary>
/// <param name="counts">Which calls are steps. Those of timers that go round and round are not: a run would have other numbers each time.</param>
/// <param name="kill">Ends the process at once.</param>
public sealed class StepFault(int step, FaultKind kind, Func<PortCall, bool> counts, Action kill) : IPortFaults, IProtocolProbe
{
    private static readonly string[] RunPrefixes = ["runs/", "active/", "ready/", "later/", "keys/", "locks/", "data/"];

    private readonly Lock _gate = new();
    private int _passed;
    private int _writesSince;
    private Func<Task>? _late;

    /// <summary>How many steps there were.</summary>
    public int Steps => Volatile.Read(ref _passed);

    /// <summary>The call that the fault met; null: it did not come to it.</summary>
    public PortCall? Met { get; private set; }

    /// <summary>Counts what belongs to runs: their records, markers, entries, keys and locks, rings, events, and the protocol's steps.</summary>
    public static bool OfRuns(PortCall call) => call.Port != "blobs" || (call.Method != "ListAsync" && RunPrefixes.Any(prefix => call.Name.StartsWith(prefix, StringComparison.Ordinal)));

    public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
    {
        if (!counts(call))
        {
            return await make();
        }

        if (call.Writes && TakeDue() is { } due)
        {
            await due();
        }

        if (Interlocked.Increment(ref _passed) != step)
        {
            return await make();
        }

        Met = call;
        switch (kind)
        {
            case FaultKind.KillBefore:
                kill();
                return await new TaskCompletionSource<T>().Task;
            case FaultKind.KillAfter:
                await make();
                kill();
                return await new TaskCompletionSource<T>().Task;
            case FaultKind.FailAfter:
                await make();
                throw NoAnswer();
            case FaultKind.Refused:
                var answer = await make();
                return refused is null ? answer : refused();
            case FaultKind.LateByOne or FaultKind.LateByTwo when call.Writes:
                lock (_gate)
                {
                    _late = () => LandAsync(make);
                }

                throw NoAnswer();
            default:
                throw NoAnswer();
        }
    }

    public void Passed(ProtocolStep passed, RunId runId)
    {
        if (counts(new("step", passed.ToString(), runId.Value, Writes: false)) && Interlocked.Increment(ref _passed) == step)
        {
            Met = new("step", passed.ToString(), runId.Value, Writes: false);
            if (kind is FaultKind.KillBefore or FaultKind.KillAfter)
            {
                kill();
            }
        }
    }

    private static BlobStoreException NoAnswer() => new("The store did not answer (503).", isTransient: true, null);

    private static async Task LandAsync<T>(Func<Task<T>> make)
    {
        try
        {
            await make();
        }
        catch (BlobStoreException)
        {
            // Nobody listens any more.
        }
    }

    private Func<Task>? TakeDue()
    {
        lock (_gate)
        {
            if (_late is null || ++_writesSince < (kind == FaultKind.LateByOne ? 1 : 2))
            {
                return null;
            }

            var late = _late;
            _late = null;
            return late;
        }
    }
}
