using System.Collections.Concurrent;

namespace OzFunctions.Attempts;

/// <summary>Which attempt directories could not be removed, and when each is tried again: after 5 seconds, then after twice as long each time, at last every hour.</summary>
internal sealed class DiscardPauses(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<string, Refusal> _refused = new(StringComparer.Ordinal);

    public bool IsDue(string directory) => !_refused.TryGetValue(directory, out var refusal) || time.GetElapsedTime(refusal.At) >= refusal.Pause;

    /// <summary>Whether its removal failed before, which was told.</summary>
    public bool Knows(string directory) => _refused.ContainsKey(directory);

    /// <summary>It could not be removed; answers whether that is the first time.</summary>
    public bool Note(string directory)
    {
        var now = time.GetTimestamp();
        var noted = _refused.AddOrUpdate(directory, _ => new(now, First), (_, before) => new(now, before.Pause * 2 < Longest ? before.Pause * 2 : Longest));
        return noted.Pause == First;
    }

    /// <summary>It is gone; answers whether that had failed before.</summary>
    public bool TryForget(string directory) => _refused.TryRemove(directory, out _);

    private sealed record Refusal(long At, TimeSpan Pause);
}
