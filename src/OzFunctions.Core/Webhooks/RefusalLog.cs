namespace OzFunctions.Webhooks;

/// <summary>Keeps floods of refusals out of the host's log and out of the store.</summary>
internal sealed class RefusalLog(TimeProvider time)
{
    private const int MostCauses = 200;
    private const int MostKept = 60;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KeepWindow = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Webhook, string Cause), (long At, int Unsaid)> _said = [];
    private readonly Dictionary<string, (long Since, int Count)> _kept = [];

    /// <summary>Whether a refusal is worth a line, and how many like it were not since the last one.</summary>
    public bool MaySay(string webhook, string cause, out int unsaid)
    {
        lock (_lock)
        {
            unsaid = 0;
            if (_said.TryGetValue((webhook, cause), out var known) && time.GetElapsedTime(known.At) < Pause)
            {
                _said[(webhook, cause)] = (known.At, known.Unsaid + 1);
                return false;
            }

            if (_said.Count >= MostCauses)
            {
                // Causes may hold what a sender wrote.
                _said.Clear();
            }

            unsaid = known.Unsaid;
            _said[(webhook, cause)] = (time.GetTimestamp(), 0);
            return true;
        }
    }

    /// <summary>Whether a refused delivery may be kept: so many a minute and webhook.</summary>
    public bool MayKeep(string webhook)
    {
        lock (_lock)
        {
            var window = _kept.TryGetValue(webhook, out var known) && time.GetElapsedTime(known.Since) < KeepWindow ? known : (Since: time.GetTimestamp(), Count: 0);
            _kept[webhook] = (window.Since, window.Count + 1);
            return window.Count < MostKept;
        }
    }
}
