using System.Collections.Concurrent;
using OzFunctions.Backends;

namespace OzFunctions.Attempts;

/// <summary>
/// Attempt directories of other workers of this machine. Their own next host goes on with them within seconds and is not to find their locks held: this one looks once a minute
/// whether their run was ended or given back after the lease (T4), so that what is left of them can be cleared away, and for the first time a minute after it saw them.
/// </summary>
internal sealed class OtherWorkersDirectories(string workerId, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<string, Look> _known = new(StringComparer.Ordinal);

    /// <summary>Whether a directory may be locked and looked at now: one of this worker always, and one whose intent does not say whose it is until its record has.</summary>
    public bool IsDue(string directory, AttemptIntent intent)
    {
        var now = time.GetTimestamp();
        if (_known.TryGetValue(directory, out var look))
        {
            var isDue = time.GetElapsedTime(look.At, now) >= Pause;
            _known[directory] = isDue ? look with { At = now } : look;
            return isDue;
        }

        if (intent.WorkerId is null || intent.WorkerId == workerId)
        {
            return true;
        }

        _known[directory] = new(now, IsTold: false);
        return false;
    }

    /// <summary>Its record says that another worker's run is at work in it; answers whether that is the first time.</summary>
    public bool Note(string directory)
    {
        var isFirst = !_known.TryGetValue(directory, out var look) || !look.IsTold;
        _known[directory] = new(time.GetTimestamp(), IsTold: true);
        return isFirst;
    }

    /// <summary>Forgets those that are gone.</summary>
    public void KeepOnly(IReadOnlySet<string> there)
    {
        foreach (var gone in _known.Keys.Where(directory => !there.Contains(directory)))
        {
            _known.TryRemove(gone, out _);
        }
    }

    private readonly record struct Look(long At, bool IsTold);
}
