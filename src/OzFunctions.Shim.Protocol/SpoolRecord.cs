namespace OzFunctions.Shim.Protocol;

/// <summary>One piece of output as it was read from a pipe: not a line, and cut anywhere.</summary>
public readonly record struct SpoolRecord
{
    public required SpoolStream Stream { get; init; }

    /// <summary>When the piece was read.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Counts pieces from 0, also those that were cut.</summary>
    public required long Sequence { get; init; }

    /// <summary>Valid until the reader reads on.</summary>
    public required ReadOnlyMemory<byte> Bytes { get; init; }

    /// <summary>Where a reader starts that has not seen this piece.</summary>
    public required SpoolPosition Start { get; init; }

    /// <summary>Where a reader goes on that has seen this piece.</summary>
    public required SpoolPosition End { get; init; }

    /// <summary>What is missing directly before this piece: the cut middle, or what did not fit on the disk; default: nothing.</summary>
    public SpoolTotals Cut { get; init; }
}
