using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>
/// Who is owed the completion event of a run: the publishers of the run's worker, whoever ends it. A host says in <c>control.json</c> which its worker has; others,
/// such as a command that cancels, read it there. Of a worker that no host ever served nobody knows any: whoever ends a run of it owes the event to its own.
/// </summary>
/// <param name="configured">The worker whose configuration this process has; null: it works for all of them.</param>
public sealed class OwedPublishers(OzPorts ports, WorkerControl control, string? configured)
{
    /// <summary>The store's own queue, which is the same one whoever's configuration it is in. Configurations give its name to nothing else.</summary>
    public const string StoreQueue = "oz-events";

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    private readonly IReadOnlyList<string> _own = [.. ports.Publishers.Where(publisher => publisher.Kinds.Contains(RunEventKind.Completed)).Select(publisher => publisher.Name)];
    private volatile string? _worker = configured;
    private volatile string? _served;
    private volatile Reading? _read;

    /// <summary>This process is a host of the worker: says so, if the store does not know it yet. Done once; a call that failed is to be repeated.</summary>
    public async Task ServeAsync(string workerId, CancellationToken cancellationToken)
    {
        if (_served != workerId)
        {
            _worker = workerId;
            await control.SetPublishersAsync(workerId, _own, cancellationToken);
            _served = workerId;
        }
    }

    /// <summary>
    /// True: the publishers of this process are this worker's. A publisher of another worker that has the same name is another one, and what it is owed is its hosts'.
    /// </summary>
    public bool AreOf(string workerId) => _worker is not { } own || own == workerId;

    /// <summary>The outbox of a run of this worker that is being ended now.</summary>
    public async Task<IReadOnlyList<OutboxEntry>> FindAsync(string workerId, CancellationToken cancellationToken)
    {
        var said = workerId == _served ? _own : await FindSaidAsync(workerId, cancellationToken);
        return [.. (said ?? _own).Select(name => new OutboxEntry(name, 0, WorkerId: said is null ? FindOther(workerId) : null))];
    }

    /// <summary>Entries that owe the event of an ended run of this worker to these once more, from now on.</summary>
    public async Task<IReadOnlyList<OutboxEntry>> FindAgainAsync(string workerId, IReadOnlyList<string> publishers, CancellationToken cancellationToken)
    {
        var other = await FindSaidAsync(workerId, cancellationToken) is null ? FindOther(workerId) : null;
        return [.. publishers.Select(name => new OutboxEntry(name, 0, ports.Time.GetWireTime(), WorkerId: _own.Contains(name) ? other : null))];
    }

    /// <summary>False: the hosts of the worker did not say that they have it, those that started last, or nobody ever served the worker.</summary>
    public async Task<bool> IsSaidAsync(string workerId, string publisher, CancellationToken cancellationToken) =>
        (await ReadAsync(cancellationToken)).Publishers is not { } said || said.GetValueOrDefault(workerId)?.Contains(publisher) == true;

    /// <summary>The worker whose publishers this process has, where that is another one; null: it is this one, or this process works for all of them.</summary>
    private string? FindOther(string workerId) => AreOf(workerId) ? null : _worker;

    private async Task<IReadOnlyList<string>?> FindSaidAsync(string workerId, CancellationToken cancellationToken) =>
        (await ReadAsync(cancellationToken)).Publishers?.GetValueOrDefault(workerId);

    private async Task<Reading> ReadAsync(CancellationToken cancellationToken)
    {
        if (_read is not { } read || ports.Time.GetElapsedTime(read.At) >= Fresh)
        {
            var at = ports.Time.GetTimestamp();
            try
            {
                _read = read = new(at, await control.GetPublishersAsync(cancellationToken));
            }
            catch (BlobStoreException ex) when (!ex.IsOutage)
            {
                // Edited by hand into nonsense: runs end all the same, with what this process knows.
                _read = read = new(at, null);
            }
        }

        return read;
    }

    /// <param name="Publishers">Null: nobody can read what the hosts said.</param>
    private sealed record Reading(long At, IReadOnlyDictionary<string, IReadOnlyList<string>>? Publishers);
}
