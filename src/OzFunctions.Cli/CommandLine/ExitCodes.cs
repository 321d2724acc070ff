namespace OzFunctions.Cli.CommandLine;

/// <summary>Exit codes of <c>ozf</c> (design section 11).</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>Something asked for was found wanting: a failed run, a failed check.</summary>
    public const int Failed = 1;

    /// <summary>Usage, invalid input or configuration.</summary>
    public const int Usage = 64;

    /// <summary>Store, agent or platform not to be had.</summary>
    public const int Unavailable = 69;

    /// <summary>A fault of this program, or a run that ended ERROR.</summary>
    public const int Internal = 70;

    /// <summary>Waiting ended before the run did.</summary>
    public const int WaitEnded = 75;

    public const int Cancelled = 130;
}
