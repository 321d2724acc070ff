using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>One piece of output of an attempt, of the shim's spool or the host's; cut anywhere.</summary>
internal readonly record struct LogPiece(SpoolStream Stream, DateTimeOffset Time, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Not output but the mark that this phase and those before it are over; 0: output.</summary>
    public byte EndsPhase { get; init; }

    /// <summary>Lines that are lost directly before this piece.</summary>
    public long CutLines { get; init; }

    /// <summary>Bytes that are lost directly before this piece.</summary>
    public long CutBytes { get; init; }
}

/// <summary>How far both spools may be read.</summary>
/// <param name="Final">Nothing will be added below these positions.</param>
internal readonly record struct LogLimits(SpoolPosition Spool, SpoolPosition Host, bool Final);
