using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;

namespace OzFunctions.Settlement;

/// <summary>
/// Who is owed the completion event of a run: the publishers of the run's worker, whoever ends it. A host says in <c>control.json</c> which its worker has; others,
/// such as a command that cancels, read it there.
/// </summary>
/// <param name="configured">The worker whose configuration this process has; null: it works for all of them.</param>
public sealed class OwedPublishers(OzPorts ports, WorkerControl control, string? configured)
{
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

    /// <summary>Names for the outbox of a run of this worker that is being ended now.</summary>
    public async Task<IReadOnlyList<string>> FindAsync(string workerId, CancellationToken cancellationToken) =>
        workerId == _served ? _own : await FindSaidAsync(workerId, cancellationToken) ?? _own;

    /// <summary>False: no host of the worker has it any more, and neither has this process.</summary>
    public async Task<bool> IsKnownAsync(string workerId, string publisher, CancellationToken cancellationToken) =>
        (AreOf(workerId) && _own.Contains(publisher)) || (await FindSaidAsync(workerId, cancellationToken) ?? _own).Contains(publisher);

    private async Task<IReadOnlyList<string>?> FindSaidAsync(string workerId, CancellationToken cancellationToken)
    {
        if (_read is not { } read || ports.Time.GetElapsedTime(read.At) >= Fresh)
        {
            var at = ports.Time.GetTimestamp();
            try
            {
                _read = read = new(at, await control.GetPublishersAsync(cancellationToken));
            }
            catch (BlobStoreException ex) when (!ex.IsTransient)
            {
                // Edited by hand into nonsense: runs end all the same, with what this process knows.
                _read = read = new(at, new Dictionary<string, IReadOnlyList<string>>());
            }
        }

        return read.Publishers.GetValueOrDefault(workerId);
    }

    private sealed record Reading(long At, IReadOnlyDictionary<string, IReadOnlyList<string>> Publishers);
}
