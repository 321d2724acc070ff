using OzFunctions.Blobs;
using OzFunctions.Queues;

namespace OzFunctions.Files;

/// <summary>Run requests as files below <c>queues/&lt;name&gt;/</c>; <c>ls</c> of <c>ready</c> is the queue in order. What a killed process took is visible at once.</summary>
public sealed class FilesRequestQueue : IRequestQueue
{
    private readonly FilesStore _store;
    private readonly Spool _spool;

    public FilesRequestQueue(FilesStore store, string name)
    {
        _store = store;
        _spool = new Spool(store, name);
        Name = name;
    }

    public string Name { get; }

    public Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        AnswerAsync(cancellationToken, () => _spool.Send(body.Span));

    public async Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(visibility, TimeSpan.Zero);
        var started = _store.Time.GetTimestamp();
        while (true)
        {
            // Taken before looking: what comes in between ends the wait.
            var watch = wait > TimeSpan.Zero ? _store.Watch(_spool.Ready) : null;
            var changed = watch?.Changed.Next;
            var message = await AnswerAsync(cancellationToken, () => _spool.Take(visibility));
            var left = wait - _store.Time.GetElapsedTime(started);
            if (message is not null || changed is null || left <= TimeSpan.Zero)
            {
                return message;
            }

            var pause = new[] { left, watch!.PollEvery, _spool.UntilDue() }.Min();
            await watch.Changed.WaitAsync(changed, pause, cancellationToken);
        }
    }

    public Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken) =>
        AnswerAsync(cancellationToken, () => _spool.Complete(message.Receipt));

    public Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken) =>
        AnswerAsync(cancellationToken, () => _spool.Abandon(message.Receipt, delay));

    private Task<T> AnswerAsync<T>(CancellationToken cancellationToken, Func<T> answer)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }

        try
        {
            return Task.FromResult(answer());
        }
        catch (BlobStoreException exception)
        {
            return Task.FromException<T>(exception);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            return Task.FromException<T>(StoreFaults.From(exception, _spool.Ready));
        }
    }
}
