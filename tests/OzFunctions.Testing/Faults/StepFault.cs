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

    /// <summary>It is done, and answered only after minutes: what the process knows then is old.</summary>
    Slow,
}

/// <summary>
/// One fault at the n-th step of one process, counted over its ports and the protocol's steps alike. A step of 0 never comes: it counts. Steps are only those at which
/// the fault is one, and another than those before it: a read that was made and lost, for one, is a read that was not made.
/// </summary>
/// <param name="counts">Which calls are steps. Those of timers that go round and round are not: a run would have other numbers each time.</param>
/// <param name="kill">Ends the process at once.</param>
/// <param name="hold">Lets minutes go by (<see cref="FaultKind.Slow"/>); null: none.</param>
public sealed class StepFault(int step, FaultKind kind, Func<PortCall, bool> counts, Action kill, Func<Task>? hold = null) : IPortFaults, IProtocolProbe
{
    private static readonly FaultKind[] Kinds = Enum.GetValues<FaultKind>();
    private static readonly string[] RunPrefixes = ["runs/", "active/", "ready/", "later/", "keys/", "locks/", "data/"];

    private const string Step = "step";

    private readonly Lock _gate = new();
    private readonly int[] _passed = new int[Kinds.Length];
    private readonly TaskCompletionSource _meeting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _writesSince;
    private int _times;
    private Func<Task>? _late;

    /// <summary>How many steps there were.</summary>
    public int Steps => StepsOf(kind);

    /// <summary>The call that the fault met; null: it did not come to it.</summary>
    public PortCall? Met { get; private set; }

    /// <summary>How often it has come so far: what is late comes once more when it lands, and what is slow when it is answered.</summary>
    public int Times => Volatile.Read(ref _times);

    /// <summary>Completes when the fault has come.</summary>
    public Task Meeting => _meeting.Task;

    /// <summary>The process does not outlive it.</summary>
    public bool Kills => kind is FaultKind.KillBefore or FaultKind.KillAfter;

    /// <summary>Counts what belongs to runs: their records, markers, entries, keys and locks, rings, events, and the protocol's steps.</summary>
    public static bool OfRuns(PortCall call) => call.Port != "blobs" || (call.Method != "ListAsync" && RunPrefixes.Any(prefix => call.Name.StartsWith(prefix, StringComparison.Ordinal)));

    /// <summary>How many steps there were at which a fault of this kind is one.</summary>
    public int StepsOf(FaultKind of) => Volatile.Read(ref _passed[(int)of]);

    public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
    {
        if (!counts(call))
        {
            return await make();
        }

        if (call.Writes && TakeDue() is { } due)
        {
            await due();
            Interlocked.Increment(ref _times);
        }

        if (!IsIt(call, refused is not null))
        {
            return await make();
        }

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
                await make();
                return refused!();
            case FaultKind.Slow:
                try
                {
                    return await make();
                }
                finally
                {
                    await (hold?.Invoke() ?? Task.CompletedTask);
                    Interlocked.Increment(ref _times);
                }

            case FaultKind.LateByOne or FaultKind.LateByTwo:
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
        PortCall call = new(Step, passed.ToString(), runId.Value, Writes: false);
        if (counts(call) && IsIt(call, refusable: false))
        {
            kill();
        }
    }

    private static bool IsFaultAt(FaultKind kind, PortCall call, bool refusable) => kind switch
    {
        FaultKind.KillBefore => true,
        FaultKind.FailBefore or FaultKind.Slow => call.Port != Step,
        FaultKind.Refused => refusable,
        _ => call.Writes,
    };

    private bool IsIt(PortCall call, bool refusable)
    {
        var isIt = false;
        foreach (var of in Kinds.Where(of => IsFaultAt(of, call, refusable)))
        {
            isIt |= Interlocked.Increment(ref _passed[(int)of]) == step && of == kind;
        }

        if (isIt)
        {
            Met = call;
            Interlocked.Increment(ref _times);
            _meeting.TrySetResult();
        }

        return isIt;
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
