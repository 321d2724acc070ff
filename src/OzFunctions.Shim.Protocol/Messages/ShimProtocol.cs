namespace OzFunctions.Shim.Protocol;

/// <summary>Names and numbers that host and shim agree on.</summary>
public static class ShimProtocol
{
    /// <summary>In the launch's flags: a teardown command follows.</summary>
    public const int HasTeardown = 1;

    /// <summary>In the launch's flags: what runs is stopped as soon as the launching host is gone.</summary>
    public const int EndsWithHost = 2;

    /// <summary>Version of messages and status. 2 brought limits, user and the end with the host to the launch, and limits to the status; nothing that version 1 said has changed.</summary>
    public const int Version = 2;

    /// <summary>The oldest version that a host still speaks: shims of the release before live on when the product is replaced.</summary>
    public const int OldestVersion = Version - 1;

    /// <summary>Held with flock by the shim for as long as it lives.</summary>
    public const string LockFile = "shim.lock";

    public const string StatusFile = "status.json";

    /// <summary>Room that whoever ends the attempt gives back, so that a full disk does not keep its end from being written.</summary>
    public const string ReserveFile = "reserve";

    public const string LogFile = "shim.log";
    public const string SocketFile = "s";
    public const string SpoolDirectory = "spool";

    internal const int FrameHeader = 9;
    internal const int LongestFrame = 16 << 20;

    /// <summary>Streams of a phase's stdout and stderr; null for a name that is no phase. Only <c>changes</c> may be numbered: <c>changes:2</c>.</summary>
    internal static (SpoolStream Out, SpoolStream Err)? StreamsOf(string phase) => phase switch
    {
        ShimPhase.Setup => (SpoolStream.SetupOut, SpoolStream.SetupErr),
        ShimPhase.Agent => (SpoolStream.AgentOut, SpoolStream.AgentErr),
        ShimPhase.Teardown => (SpoolStream.TeardownOut, SpoolStream.TeardownErr),
        ShimPhase.Changes => (SpoolStream.ChangesOut, SpoolStream.ChangesErr),
        _ when phase.StartsWith(ShimPhase.Changes + ":", StringComparison.Ordinal) => (SpoolStream.ChangesOut, SpoolStream.ChangesErr),
        _ => null,
    };
}
