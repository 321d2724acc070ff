using System.Collections.Concurrent;
using OzFunctions.Events;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A receiver on foreign ground: answers what the test says, or not at all.</summary>
internal sealed class Receiver(World? world = null, string name = "hook") : IEventPublisher
{
    private TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];

    public bool IsPrompt => false;

    public RetryPlan Retries => RetryPlan.OneDay;

    /// <summary>Completes each call; null: it is taken.</summary>
    public Func<Task>? Answer { get; set; }

    /// <summary>Ids of every call, also of those that failed.</summary>
    public ConcurrentQueue<string> Tries { get; } = new();

    public ConcurrentQueue<string> Taken { get; } = new();

    public async Task TriedAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = Volatile.Read(ref _tried).Task;
            if (Tries.Count >= count)
            {
                return;
            }

            await next.WaitAsync(cancellationToken);
        }
    }

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        Tries.Enqueue(runEvent.Id);
        Interlocked.Exchange(ref _tried, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        if (Answer is { } answer)
        {
            await answer().WaitAsync(cancellationToken);
        }

        Taken.Enqueue(runEvent.Id);
        world?.Pulse();
    }
}
