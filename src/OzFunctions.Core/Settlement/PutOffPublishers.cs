using System.Collections.Concurrent;

namespace OzFunctions.Settlement;

/// <summary>
/// Prompt publishers that kept this process waiting in vain a moment ago. Nobody waits for one again until a minute has gone by: an outage of a queue costs one wait a
/// minute, not one for each run. What they are owed stands in the records.
/// </summary>
internal sealed class PutOffPublishers(TimeProvider time)
{
    private static readonly TimeSpan PutOffFor = TimeSpan.FromMinutes(1);

    /// <summary>A failure that came quicker than this held up nobody, and may be of that one event.</summary>
    private static readonly TimeSpan HeldUpAfter = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, long> _failedAt = new(StringComparer.Ordinal);

    public bool Contains(string publisher) => _failedAt.TryGetValue(publisher, out var failedAt) && time.GetElapsedTime(failedAt) < PutOffFor;

    /// <summary>What came of a try.</summary>
    /// <param name="began">Timestamp of the clock before it.</param>
    public void Note(string publisher, long began, bool sent)
    {
        if (sent)
        {
            _failedAt.TryRemove(publisher, out _);
        }
        else if (time.GetElapsedTime(began) >= HeldUpAfter)
        {
            _failedAt[publisher] = time.GetTimestamp();
        }
    }
}
