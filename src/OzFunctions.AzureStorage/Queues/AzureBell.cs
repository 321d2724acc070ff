using Azure.Storage.Queues.Models;
using OzFunctions.Blobs;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.AzureStorage;

/// <summary>
/// A bell is a queue <c>oz-bell-&lt;w&gt;</c> of run ids that vanish by themselves after seconds. Listeners peek: all of them hear it, and nobody has to remove
/// anything. Listeners of the same process are told at once. While the queue service is away they alone are: it is tried once a minute.
/// </summary>
/// <param name="lasts">How long a ring can be heard.</param>
public sealed class AzureBell(StorageAccount account, TimeSpan lasts) : IBell
{
    /// <summary>Long enough to be seen at the slowest pace and after one failed look; no longer, as a look shows so many and no more (<see cref="Shown"/>).</summary>
    private static readonly TimeSpan Lasts = TimeSpan.FromSeconds(4);

    /// <summary>Whoever rings is on his way to something else: a ring that takes longer is lost.</summary>
    private static readonly TimeSpan SentWithin = TimeSpan.FromSeconds(2);

    /// <summary>A service that did not take a ring, or took longer than <see cref="HeldUpAfter"/> to, is not sent another for so long: an outage costs one wait a minute, not one for each run.</summary>
    private static readonly TimeSpan PutOffFor = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan HeldUpAfter = TimeSpan.FromSeconds(1);

    /// <summary>The most that one peek shows: the oldest. As many may hide others, as they do from eight runs a second on: then a look counts as a ring, so often.</summary>
    private const int Shown = 32;

    private static readonly TimeSpan HiddenEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>Timers count whole milliseconds: a pause of 47.9 ends after 46.9 or later. That look is due, not another pause.</summary>
    private static readonly TimeSpan TimersEndEarly = TimeSpan.FromMilliseconds(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, StorageQueue> _queues = new(StringComparer.Ordinal);
    private readonly List<Listener> _listeners = [];
    private readonly Queue<string> _own = new();
    private long? _putOffAt;
    private bool _wasSlow;

    public AzureBell(StorageAccount account)
        : this(account, Lasts)
    {
    }

    public async Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            // Near ones first: they need no store.
            foreach (var listener in _listeners.Where(listener => listener.WorkerId == workerId))
            {
                listener.Ring(runId);
            }

            if (_putOffAt is { } putOffAt && Time.GetElapsedTime(putOffAt) < PutOffFor)
            {
                return;
            }
        }

        var began = Time.GetTimestamp();
        using var deadline = new CancellationTokenSource(SentWithin, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var id = await QueueOf(workerId).SendAsync(runId.ToString(), lasts, either.Token);
            lock (_lock)
            {
                // The first of a process may be slow for its own sake: it asks for a token, and makes the queue.
                var slow = Time.GetElapsedTime(began) > HeldUpAfter;
                _putOffAt = slow && _wasSlow ? Time.GetTimestamp() : null;
                _wasSlow = slow;
                _own.Enqueue(id);
                if (_own.Count > Shown)
                {
                    _own.Dequeue();
                }

                foreach (var listener in _listeners.Where(listener => listener.WorkerId == workerId))
                {
                    listener.NoteHeard(id);
                }
            }
        }
        catch (Exception ex) when (ex is BlobStoreException || (ex is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Only a hint: hosts find the work by looking, and the store itself tells what is wrong.
            lock (_lock)
            {
                _putOffAt = Time.GetTimestamp();
            }
        }
    }

    public IBellListener Listen(string workerId)
    {
        lock (_lock)
        {
            // Rings of this process from before are old; those of others cannot be told from new ones, and a ring too many changes nothing.
            var listener = new Listener(this, workerId, QueueOf(workerId), [.. _own]);
            _listeners.Add(listener);
            return listener;
        }
    }

    private StorageQueue QueueOf(string workerId)
    {
        lock (_lock)
        {
            return _queues.TryGetValue(workerId, out var queue) ? queue : _queues[workerId] = new(account, StorageNames.BellOf(workerId));
        }
    }

    private sealed class Listener(AzureBell bell, string workerId, StorageQueue queue, HashSet<string> heard) : IBellListener
    {
        private readonly PollPace _pace = new(bell.Time);
        private readonly Lock _lock = new();
        private readonly CancellationTokenSource _end = new();
        private TaskCompletionSource _rung = NewRing();
        private Task<bool>? _looking;
        private RunId? _lastRun;
        private long? _looked;
        private long? _rangAt;

        public string WorkerId => workerId;

        public RunId? LastRun
        {
            get
            {
                lock (_lock)
                {
                    return _lastRun;
                }
            }
        }

        public void Ring(RunId runId)
        {
            _pace.NoteWork();
            lock (_lock)
            {
                _lastRun = runId;
                _rung.TrySetResult();
            }
        }

        /// <summary>What will be seen of a near ring on the queue, and is not to be heard twice.</summary>
        public void NoteHeard(string message)
        {
            lock (_lock)
            {
                heard.Add(message);
            }
        }

        /// <summary>Any number of rings before a wait are one.</summary>
        private bool TryTakeRing()
        {
            lock (_lock)
            {
                if (!_rung.Task.IsCompleted)
                {
                    return false;
                }

                _rung = NewRing();
                return true;
            }
        }

        private Task NextRing()
        {
            lock (_lock)
            {
                return _rung.Task;
            }
        }

        private static TaskCompletionSource NewRing() => new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
            var started = bell.Time.GetTimestamp();
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (TryTakeRing() || ((_looking is not null || IsLookDue()) && await HearAsync(cancellationToken)))
                {
                    return true;
                }

                var left = atMost - bell.Time.GetElapsedTime(started);
                if (left <= TimeSpan.Zero)
                {
                    return false;
                }

                var pause = _pace.Next(_looked!.Value);
                await PauseAsync(left < pause ? left : pause, cancellationToken);
            }
        }

        /// <summary>Who has just heard a ring is on his way to a claim: another look at once would only stand in its way.</summary>
        private bool IsLookDue() => _looked is not { } looked || bell.Time.GetElapsedTime(looked) >= PollPace.Fast - TimersEndEarly;

        public async ValueTask DisposeAsync()
        {
            lock (bell._lock)
            {
                bell._listeners.Remove(this);
            }

            await _end.CancelAsync();
            if (_looking is Task looking)
            {
                await looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            _end.Dispose();
        }

        /// <summary>
        /// The look, or a near ring if that comes first: a service that hangs keeps none waiting. The look goes on then, and the next wait hears what came of it; no other is begun meanwhile.
        /// </summary>
        private async Task<bool> HearAsync(CancellationToken cancellationToken)
        {
            var looking = _looking ??= LookAsync(_end.Token);
            await Task.WhenAny(looking, NextRing()).WaitAsync(cancellationToken);
            if (TryTakeRing())
            {
                return true;
            }

            _looking = null;
            return await looking;
        }

        /// <summary>Something is there that was not there at the last look, or may be.</summary>
        private async Task<bool> LookAsync(CancellationToken cancellationToken)
        {
            _looked = bell.Time.GetTimestamp();
            var shown = await queue.ReadAsync<PeekedMessage[]>(async (client, token) => (await client.PeekMessagesAsync(Shown, token)).Value, cancellationToken) ?? [];
            bool rang;
            lock (_lock)
            {
                var news = shown.Where(message => !heard.Contains(message.MessageId)).ToList();
                rang = news.Count > 0 || (shown.Length == Shown && (_rangAt is not { } rangAt || bell.Time.GetElapsedTime(rangAt) >= HiddenEvery));
                if (rang)
                {
                    _rangAt = _looked;

                    // The one that has waited longest is claimed first.
                    _lastRun = news.Count > 0 && RunId.TryParse(news[0].MessageText, out var runId) ? runId : null;
                }

                heard = [.. shown.Select(message => message.MessageId)];
            }

            if (rang)
            {
                _pace.NoteWork();
            }

            return rang;
        }

        private async Task PauseAsync(TimeSpan pause, CancellationToken cancellationToken)
        {
            // A ring that has come is answered by the wait that follows.
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(NextRing(), Task.Delay(pause, bell.Time, over.Token));
            await over.CancelAsync();
        }
    }

    private TimeProvider Time => account.Time;
}
