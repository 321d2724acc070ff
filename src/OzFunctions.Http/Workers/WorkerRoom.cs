using OzFunctions.Hosts;

namespace OzFunctions.Http.Workers;

/// <summary>Whether a worker has room now, looked up at most every few seconds: it is said with each answer to a create.</summary>
internal sealed class WorkerRoom(OzCore core)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    /// <summary>One object, so that who reads it while it is replaced or forgotten sees all of one look.</summary>
    private volatile Look? _last;

    /// <summary>Something was changed here: the next answer is to know it.</summary>
    public void Forget() => _last = null;

    public async Task<(bool AtCapacity, string? Warning)> LookAsync(string workerId, CancellationToken cancellationToken)
    {
        var last = _last;
        if (last is null || core.Ports.Time.GetElapsedTime(last.At) > Fresh)
        {
            // Two callers may look at once; either answer will do.
            _last = last = new(core.Ports.Time.GetTimestamp(), await WorkerList.ReadAsync(core, cancellationToken));
        }

        var (hosts, paused) = last.List;
        var alive = hosts.Where(host => host.Alive && host.Heartbeat.WorkerId == workerId).ToList();
        return alive.Count == 0 ? (true, $"no live host serves worker '{workerId}'; the run waits for one")
            : paused.Contains(workerId) ? (true, $"worker '{workerId}' is paused; the run waits")
            : (alive.TrueForAll(host => host.Heartbeat.NotReady is not null || (host.Heartbeat.Slots > 0 && host.Heartbeat.Running.Count >= host.Heartbeat.Slots)), null);
    }

    private sealed record Look(long At, WorkerList List);
}
