namespace OzFunctions.Shim.Protocol;

/// <summary>When an agent that was told its deadline leaves by itself: a grace before it would be stopped.</summary>
public static class SoftDeadline
{
    /// <summary>How long after its start; null: the grace is most of its time, and most ends would fall behind it.</summary>
    public static TimeSpan? Find(TimeSpan timeout, TimeSpan stopGrace) => timeout < 2 * stopGrace ? null : timeout - stopGrace;
}
