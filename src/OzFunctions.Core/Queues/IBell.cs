using OzFunctions.Runs;

namespace OzFunctions.Queues;

/// <summary>Wake-up hints, one bell per worker. May lose, double or delay: nothing may depend on it. Contract: <c>BellContract</c>.</summary>
public interface IBell
{
    Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken);

    /// <summary>Listens from now on; rings between two waits are remembered as one.</summary>
    IBellListener Listen(string workerId);
}

/// <summary>One listener's end of a bell.</summary>
public interface IBellListener : IAsyncDisposable
{
    /// <summary>Answers true at once when it rang since the last wait, else waits up to <paramref name="atMost"/>; false: nothing rang.</summary>
    Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken);

    /// <summary>A run that the last ring heard was for; null: this bell does not tell. A hint like the ring itself.</summary>
    RunId? LastRun => null;
}
