namespace OzFunctions.Direct.Logs;

/// <summary>How logs are appended and bounded.</summary>
internal sealed record AttemptLogOptions
{
    /// <summary>Largest stored log in bytes: half of it from the beginning, half from the end of the output. Default: 64 MiB.</summary>
    public long Cap { get; init; } = 64 << 20;

    /// <summary>Sees the agent's output piece by piece, before it is masked. Default: nobody.</summary>
    public Action<OzFunctions.Shim.Protocol.SpoolStream, ReadOnlyMemory<byte>>? Output { get; init; }

    /// <summary>How long the first byte that is not stored may wait. Default: 200 ms.</summary>
    public TimeSpan FlushAfter { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The same after <see cref="StretchAfter"/> appends: blobs hold 50,000 blocks. Default: 5 s.</summary>
    public TimeSpan StretchedFlushAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The same after twice as many. Default: 1 min.</summary>
    public TimeSpan LongestFlushAfter { get; init; } = TimeSpan.FromMinutes(1);

    public int StretchAfter { get; init; } = 20_000;

    /// <summary>Appends of the head; what follows is tail. A blob takes 50,000, and the tail and what is said behind it need theirs. Default: 49,000.</summary>
    public int MostAppends { get; init; } = 49_000;

    /// <summary>Of those that are left then, how many the tail may take: what is larger goes in larger pieces. Default: 900.</summary>
    public int TailAppends { get; init; } = 900;

    /// <summary>Bytes that are appended without waiting. Default: 256 KiB.</summary>
    public int BatchBytes { get; init; } = 256 << 10;

    /// <summary>Longest message in bytes; longer ones are split. Default: 32 KiB.</summary>
    public int LongestLine { get; init; } = 32 << 10;

    /// <summary>First and longest pause between tries while the store cannot be reached.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromMilliseconds(250);

    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromSeconds(10);
}
