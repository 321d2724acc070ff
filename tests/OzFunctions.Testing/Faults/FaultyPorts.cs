using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing.Faults;

/// <summary>A store every call of which goes through <see cref="IPortFaults"/>.</summary>
public sealed class FaultyBlobStore(IBlobStore inner, IPortFaults faults) : IBlobStore
{
    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => Read(nameof(FindAsync), name, () => inner.FindAsync(name, cancellationToken));

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        Read(nameof(FindChangeAsync), name, () => inner.FindChangeAsync(name, known, cancellationToken));

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => Read(nameof(FindEntryAsync), name, () => inner.FindEntryAsync(name, cancellationToken));

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Write(nameof(TryCreateAsync), name, () => inner.TryCreateAsync(name, content, metadata, cancellationToken), () => null);

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Write(nameof(TryReplaceAsync), name, () => inner.TryReplaceAsync(name, content, metadata, match, cancellationToken), () => null);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        Write(nameof(PutAsync), name, () => inner.PutAsync(name, content, cancellationToken));

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        Write(nameof(TryAppendAsync), name, () => inner.TryAppendAsync(name, offset, content, cancellationToken), () => false);

    public Task FlushAsync(string name, CancellationToken cancellationToken) => Write(
        nameof(FlushAsync),
        name,
        async () =>
        {
            await inner.FlushAsync(name, cancellationToken);
            return true;
        });

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) =>
        Read(nameof(OpenReadAsync), name, () => inner.OpenReadAsync(name, offset, count, cancellationToken));

    public Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Write(nameof(UploadAsync), name, () => inner.UploadAsync(name, content, contentType, metadata, cancellationToken));

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) =>
        Read(nameof(ListAsync), prefix, () => inner.ListAsync(prefix, continuation, most, cancellationToken));

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) =>
        Write(nameof(TryDeleteAsync), name, () => inner.TryDeleteAsync(name, match, cancellationToken), match is null ? null : () => false);

    public Uri GetAddress(string name) => inner.GetAddress(name);

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.FindReadLinkAsync(name, lifetime, cancellationToken);

    private Task<T> Read<T>(string method, string name, Func<Task<T>> make) => faults.CallAsync(new("blobs", method, name, Writes: false), make, refused: null);

    private Task<T> Write<T>(string method, string name, Func<Task<T>> make, Func<T>? refused = null) => faults.CallAsync(new("blobs", method, name, Writes: true), make, refused);
}

/// <summary>A bell every ring of which goes through <see cref="IPortFaults"/>; listening does not, which is only waiting.</summary>
public sealed class FaultyBell(IBell inner, IPortFaults faults) : IBell
{
    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken) => faults.CallAsync(
        new("bell", nameof(RingAsync), runId.Value, Writes: true),
        async () =>
        {
            await inner.RingAsync(workerId, runId, cancellationToken);
            return true;
        },
        refused: null);

    public IBellListener Listen(string workerId) => inner.Listen(workerId);
}

/// <summary>A request queue every call of which goes through <see cref="IPortFaults"/>.</summary>
public sealed class FaultyRequestQueue(IRequestQueue inner, IPortFaults faults) : IRequestQueue
{
    public string Name => inner.Name;

    public IRequestQueue? GivenUp => inner.GivenUp is { } givenUp ? new FaultyRequestQueue(givenUp, faults) : null;

    public bool MayDouble => inner.MayDouble;

    public Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        faults.CallAsync(new("queue", nameof(SendAsync), Name, Writes: true), () => inner.SendAsync(body, cancellationToken), refused: null);

    /// <summary>A receipt hides the message and counts its delivery.</summary>
    public Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken) =>
        faults.CallAsync(new("queue", nameof(ReceiveAsync), Name, Writes: true), () => inner.ReceiveAsync(visibility, wait, cancellationToken), refused: null);

    public Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken) =>
        faults.CallAsync(new("queue", nameof(CompleteAsync), message.MessageId, Writes: true), () => inner.CompleteAsync(message, cancellationToken), () => false);

    public Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken) =>
        faults.CallAsync(new("queue", nameof(AbandonAsync), message.MessageId, Writes: true), () => inner.AbandonAsync(message, delay, cancellationToken), () => false);
}

/// <summary>A publisher every call of which goes through <see cref="IPortFaults"/>.</summary>
public sealed class FaultyPublisher(IEventPublisher inner, IPortFaults faults) : IEventPublisher
{
    public string Name => inner.Name;

    public IReadOnlyList<RunEventKind> Kinds => inner.Kinds;

    public bool IsPrompt => inner.IsPrompt;

    public RetryPlan Retries => inner.Retries;

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken) => faults.CallAsync(
        new("events", nameof(PublishAsync), runEvent.Id, Writes: true),
        async () =>
        {
            await inner.PublishAsync(runEvent, cancellationToken);
            return true;
        },
        refused: null);
}
