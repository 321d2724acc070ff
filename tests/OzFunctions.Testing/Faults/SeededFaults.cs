using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing.Faults;

/// <summary>
/// Faults by chance that can be had again: what becomes of a call is a function of the seed, the process, the call's own name and how often it came, never of the
/// order in which threads run. The same seed makes the same faults at the same calls.
/// </summary>
/// <param name="process">A name for the process that is the same each time.</param>
/// <param name="normalise">Turns what is new in every round, such as run ids, into what is not.</param>
/// <param name="kill">Ends the process at once.</param>
public sealed class SeededFaults(int seed, string process, Func<string, string> normalise, Action kill) : IPortFaults
{
    private readonly ConcurrentDictionary<string, int> _seen = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<(int Writes, Func<Task> Land)> _late = new();
    private int _writes;

    /// <summary>False: every call is made.</summary>
    public bool Active { get; set; } = true;

    /// <summary>What was done to whom, in order, for people.</summary>
    public ConcurrentQueue<string> Story { get; } = new();

    public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
    {
        if (call.Writes)
        {
            await LandDueAsync(Interlocked.Increment(ref _writes));
        }

        if (!Active)
        {
            return await make();
        }

        var name = $"{call.Port}.{call.Method} {normalise(call.Name)}";
        var count = _seen.AddOrUpdate(name, 1, (_, seen) => seen + 1);
        var dice = Dice($"{seed}/{process}/{name}/{count}");
        switch (dice % 1000)
        {
            case < 3:
                Tell("killed before", name, count);
                kill();
                return await new TaskCompletionSource<T>().Task;
            case < 6:
                await make();
                Tell("killed after", name, count);
                kill();
                return await new TaskCompletionSource<T>().Task;
            case < 26:
                Tell("failed", name, count);
                throw NoAnswer();
            case < 46 when call.Writes:
                await make();
                Tell("done without an answer", name, count);
                throw NoAnswer();
            case < 60 when refused is not null:
                await make();
                Tell("done and reported as refused", name, count);
                return refused();
            case < 76 when call.Writes:
                Tell("late", name, count);
                _late.Enqueue((Volatile.Read(ref _writes) + 1 + (int)(dice / 1000 % 3), () => make()));
                throw NoAnswer();
            case < 116:
                await Task.Delay(TimeSpan.FromMilliseconds(dice / 1000 % 15), TimeProvider.System);
                return await make();
            default:
                return await make();
        }
    }

    private static BlobStoreException NoAnswer() => new("The store did not answer (503).", isTransient: true, null);

    private static uint Dice(string what) => BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes(what)));

    private async Task LandDueAsync(int writes)
    {
        while (_late.TryPeek(out var late) && late.Writes <= writes && _late.TryDequeue(out late))
        {
            try
            {
                await late.Land();
            }
            catch (Exception ex) when (ex is BlobStoreException or OperationCanceledException)
            {
                // Nobody listens any more.
            }
        }
    }

    private void Tell(string what, string name, int count) => Story.Enqueue(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{process}: {what}: {name} #{count}"));
}

/// <summary>Rings as a network does: some are lost, some come twice, some come after others.</summary>
public sealed class UnreliableBell(IBell inner, int seed) : IBell
{
    private (string Worker, RunId Run)? _held;
    private int _rings;

    public async Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        switch (new Random(seed + Interlocked.Increment(ref _rings)).Next(4))
        {
            case 0:
                return;
            case 1:
                await inner.RingAsync(workerId, runId, cancellationToken);
                break;
            case 2:
                _held = (workerId, runId);
                return;
        }

        await inner.RingAsync(workerId, runId, cancellationToken);
        if (_held is { } held)
        {
            _held = null;
            await inner.RingAsync(held.Worker, held.Run, cancellationToken);
        }
    }

    public IBellListener Listen(string workerId) => inner.Listen(workerId);
}
