using System.Collections.Concurrent;
using OzFunctions.Events;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A receiver on foreign ground: answers what the test says, or not at all.</summary>
internal sealed class Receiver(World? world = null, string name = "hook") : IEventPublisher
{
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];

    public bool IsPrompt => false;

    public RetryPlan Retries => RetryPlan.OneDay;

    /// <summary>Completes each call; null: it is taken.</summary>
    public Func<Task>? Answer { get; set; }

    /// <summary>Of the last call: what cuts it off.</summary>
    public CancellationToken Stop { get; private set; }

    /// <summary>Ids of every call, also of those that failed.</summary>
    public ConcurrentQueue<string> Tries { get; } = new();

    public ConcurrentQueue<string> Taken { get; } = new();

    public Task TriedAsync(int count, CancellationToken cancellationToken) => ReachedAsync(Tries, count, cancellationToken);

    /// <summary>A call comes before its end: who asks what was taken waits for this.</summary>
    public Task TakenAsync(int count, CancellationToken cancellationToken) => ReachedAsync(Taken, count, cancellationToken);

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        Stop = cancellationToken;
        Note(Tries, runEvent.Id);
        if (Answer is { } answer)
        {
            await answer().WaitAsync(cancellationToken);
        }

        Note(Taken, runEvent.Id);
        world?.Pulse();
    }

    private void Note(ConcurrentQueue<string> calls, string id)
    {
        calls.Enqueue(id);
        Interlocked.Exchange(ref _moved, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    private async Task ReachedAsync(ConcurrentQueue<string> calls, int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = Volatile.Read(ref _moved).Task;
            if (calls.Count >= count)
            {
                return;
            }

            await next.WaitAsync(cancellationToken);
        }
    }
}
