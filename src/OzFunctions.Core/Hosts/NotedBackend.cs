using OzFunctions.Backends;

namespace OzFunctions.Hosts;

/// <summary>A backend that says when its work on an attempt is over, however it ends: not every attempt comes so far that its agent can end.</summary>
internal sealed class NotedBackend(IRunBackend inner, Action over) : IRunBackend
{
    public string? FindShortage() => inner.FindShortage();

    public BackendMeasures Measure() => inner.Measure();

    public IHostLock? HostLocks => inner.HostLocks;

    public IAttemptDirectory CreateDirectory(AttemptIntent intent) => inner.CreateDirectory(intent);

    public IReadOnlyList<IAttemptDirectory> TakeAbandonedDirectories(string store, Func<string, AttemptIntent, bool>? isWanted = null) => inner.TakeAbandonedDirectories(store, isWanted);

    public async Task<AttemptOutcome> RunAsync(IOwnedAttempt attempt, CancellationToken detach)
    {
        try
        {
            return await inner.RunAsync(attempt, detach);
        }
        finally
        {
            over();
        }
    }
}
