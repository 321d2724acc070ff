using System.Collections.Concurrent;
using Azure;
using Azure.Messaging.ServiceBus;
using Azure.Messaging.ServiceBus.Administration;
using Microsoft.Extensions.Logging;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.ServiceBus;

/// <summary>
/// A queue for each worker, read by a long poll, so that an idle host wakes at once. Of several hosts one hears a ring, which is enough: it says that one run waits.
/// A ring that nobody hears within a minute is gone; hosts list the index anyway.
/// </summary>
public sealed partial class ServiceBusBell(ServiceBusConnection connection, TimeProvider time, ILogger<ServiceBusBell> logger) : IBell, IAsyncDisposable
{
    private static readonly TimeSpan RingLives = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Poll = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Lazy<Task<ServiceBusSender>>> _senders = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Ear> _ears = new(StringComparer.Ordinal);

    /// <summary><c>oz-bell-</c> and the first 32 hex digits of the worker id's SHA-256, as in the index.</summary>
    public static string QueueOf(string workerId) => "oz-bell-" + RunBlobs.Hash(workerId)[..32];

    public async Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        var queue = QueueOf(workerId);
        try
        {
            var sender = await _senders.GetOrAdd(queue, name => new(() => OpenSenderAsync(name))).Value.WaitAsync(cancellationToken);
            await sender.SendMessageAsync(new(runId.Value) { TimeToLive = RingLives }, cancellationToken);
        }
        catch (Exception ex) when (ServiceBusConnection.IsFault(ex))
        {
            _senders.TryRemove(queue, out _);
            throw ServiceBusConnection.Wrap($"Bell '{queue}'", ex);
        }
    }

    public IBellListener Listen(string workerId)
    {
        lock (_lock)
        {
            if (!_ears.TryGetValue(workerId, out var ear))
            {
                _ears[workerId] = ear = new(this, workerId);
            }

            return ear.Add();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var ear in _ears.Values.ToList())
        {
            await ear.StopAsync();
        }

        foreach (var sender in _senders.Values.Where(sender => sender.Value.IsCompletedSuccessfully))
        {
            await (await sender.Value).DisposeAsync();
        }
    }

    private async Task<ServiceBusSender> OpenSenderAsync(string queue)
    {
        await EnsureAsync(queue);
        return connection.Client.CreateSender(queue);
    }

    /// <summary>Makes the queue where this identity may; else it has to be there.</summary>
    private async Task EnsureAsync(string queue)
    {
        try
        {
            if (!await connection.Administration.QueueExistsAsync(queue))
            {
                await connection.Administration.CreateQueueAsync(new CreateQueueOptions(queue) { DefaultMessageTimeToLive = RingLives, MaxSizeInMegabytes = 1024, EnableBatchedOperations = false });
            }
        }
        catch (ServiceBusException ex) when (ex.Reason == ServiceBusFailureReason.MessagingEntityAlreadyExists)
        {
        }
        catch (Exception ex) when (ex is RequestFailedException || ServiceBusConnection.IsFault(ex))
        {
            NotMade(queue, ex.GetType().Name);
        }
    }

    [LoggerMessage(LogLevel.Information, "Bell {Queue} could not be looked up or made ({Problem}); it is used as if it were there")]
    private partial void NotMade(string queue, string problem);

    [LoggerMessage(LogLevel.Warning, "Bell {Queue} cannot be heard; it is tried again")]
    private partial void Deaf(string queue, Exception exception);

    /// <summary>One poll for all listeners of a worker in this process.</summary>
    private sealed class Ear
    {
        private readonly ServiceBusBell _bell;
        private readonly string _workerId;
        private readonly List<Listener> _listeners = [];
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _listening;

        public Ear(ServiceBusBell bell, string workerId)
        {
            (_bell, _workerId) = (bell, workerId);
            _listening = Task.Run(ListenAsync);
        }

        public Listener Add()
        {
            lock (_listeners)
            {
                var listener = new Listener(this, _bell);
                _listeners.Add(listener);
                return listener;
            }
        }

        public async Task RemoveAsync(Listener listener)
        {
            bool last;
            lock (_bell._lock)
            {
                lock (_listeners)
                {
                    last = _listeners.Remove(listener) && _listeners.Count == 0;
                }

                if (last)
                {
                    _bell._ears.Remove(_workerId);
                }
            }

            if (last)
            {
                await StopAsync();
            }
        }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await _listening;
        }

        private async Task ListenAsync()
        {
            var queue = QueueOf(_workerId);
            try
            {
                await _bell.EnsureAsync(queue);
                await using var receiver = _bell.Connection.Client.CreateReceiver(queue, new ServiceBusReceiverOptions { ReceiveMode = ServiceBusReceiveMode.ReceiveAndDelete });
                while (true)
                {
                    await HearAsync(receiver, queue);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
            }
        }

        private async Task HearAsync(ServiceBusReceiver receiver, string queue)
        {
            try
            {
                if (await receiver.ReceiveMessageAsync(Poll, _stop.Token) is not null)
                {
                    lock (_listeners)
                    {
                        _listeners.ForEach(listener => listener.Ring());
                    }
                }
            }
            catch (Exception ex) when (ex is not OperationCanceledException)
            {
                // Whatever it is, runs are found by listing meanwhile.
                _bell.Deaf(queue, ex);
                await Task.Delay(Pause, _bell.Time, _stop.Token);
            }
        }
    }

    private ServiceBusConnection Connection => connection;

    private TimeProvider Time => time;

    private sealed class Listener(Ear ear, ServiceBusBell bell) : IBellListener
    {
        private readonly SemaphoreSlim _rung = new(0, 1);

        public void Ring()
        {
            lock (_rung)
            {
                if (_rung.CurrentCount == 0)
                {
                    _rung.Release();
                }
            }
        }

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
            if (_rung.Wait(0, cancellationToken))
            {
                return true;
            }

            if (atMost <= TimeSpan.Zero)
            {
                return false;
            }

            using var deadline = new CancellationTokenSource(atMost, bell.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            try
            {
                await _rung.WaitAsync(either.Token);
                return true;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return false;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await ear.RemoveAsync(this);
            _rung.Dispose();
        }
    }
}
