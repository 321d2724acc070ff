namespace OzFunctions.Hosts;

/// <summary>
/// Whether one who ticks may take a silent host for lost (ADR 0021). An outage of the store makes every heartbeat old, so whoever could not look either gives the others
/// time to beat before it judges. Kept by a process for as long as it ticks.
/// </summary>
/// <param name="time">Of this process.</param>
/// <param name="lease">Who has not looked for so long cannot tell whether others could beat meanwhile.</param>
public sealed class HostWatch(TimeProvider time, TimeSpan lease)
{
    /// <summary>Three heartbeats: whoever lives has written one by then, also one whose last try failed just before the store was back.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(90);

    private long? _since;
    private long? _last;
    private bool _settled;

    /// <summary>The host that ticks, which never judges itself; null: it is none.</summary>
    public Func<string>? Self { get; init; }

    /// <summary>Whether the store takes what this process writes. Default: as far as it can tell.</summary>
    public Func<bool> Reaches { get; init; } = () => true;

    /// <summary>
    /// Its first look counts as if it had watched all along: who ticks once has nothing to wait with, and a host of one run may be gone before it has. Where all hosts are
    /// like that, nobody else would settle what a lost machine ran.
    /// </summary>
    public bool AtOnce
    {
        init => _settled = value;
    }

    /// <summary>The heartbeats were read just now.</summary>
    public void NoteLook()
    {
        var now = time.GetTimestamp();
        if (!Reaches())
        {
            // Reading alone does not show that the others could write.
            _since = _settled ? _since : null;
            return;
        }

        if (_last is not null && !SawLately(now))
        {
            (_settled, _since) = (false, null);
        }

        _since ??= now;
        _settled = _settled || time.GetElapsedTime(_since.Value, now) >= Grace;
        _last = now;
    }

    /// <summary>Whether this host's silence means that it is dead.</summary>
    public bool MayJudge(string hostId) => _settled && SawLately(time.GetTimestamp()) && Self?.Invoke() != hostId;

    private bool SawLately(long now) => _last is { } last && time.GetElapsedTime(last, now) <= lease;
}
