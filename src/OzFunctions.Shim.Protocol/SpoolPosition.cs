namespace OzFunctions.Shim.Protocol;

/// <summary>Where a reader stands in a spool: segment number and byte offset in it.</summary>
public readonly record struct SpoolPosition(long Segment, long Offset) : IComparable<SpoolPosition>
{
    public static SpoolPosition Start => new(0, 0);

    public int CompareTo(SpoolPosition other) => Segment != other.Segment ? Segment.CompareTo(other.Segment) : Offset.CompareTo(other.Offset);
}

/// <summary>Which pipe of which command a piece came from.</summary>
public enum SpoolStream : byte
{
    SetupOut = 1,
    SetupErr = 2,
    AgentOut = 3,
    AgentErr = 4,
    TeardownOut = 5,
    TeardownErr = 6,
    ChangesOut = 7,
    ChangesErr = 8,

    /// <summary>A sentence of the shim itself (why it stopped something), a whole line.</summary>
    Shim = 9,

    /// <summary>A sentence of the host, written by the host into its own spool, a whole line.</summary>
    Host = 10,
}
