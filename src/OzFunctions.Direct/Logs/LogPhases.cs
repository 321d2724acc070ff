using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Commands of an attempt run one after the other: a piece of a later phase says that the earlier ones are over.</summary>
internal static class LogPhases
{
    public const byte All = byte.MaxValue;

    private static readonly SpoolStream[] Streams = Enum.GetValues<SpoolStream>();

    /// <summary>Number of the phase that a stream belongs to; 0: none.</summary>
    public static byte Of(SpoolStream stream) => stream switch
    {
        SpoolStream.SetupOut or SpoolStream.SetupErr => 1,
        SpoolStream.AgentOut or SpoolStream.AgentErr => 2,
        SpoolStream.ChangesOut or SpoolStream.ChangesErr => 3,
        SpoolStream.TeardownOut or SpoolStream.TeardownErr => 4,
        _ => 0,
    };

    /// <summary>Number of a phase by its name; repeated ones have a suffix, <c>changes:2</c>.</summary>
    public static byte Of(string phase) => phase.Split(':')[0] switch
    {
        ShimPhase.Setup => 1,
        ShimPhase.Agent => 2,
        ShimPhase.Changes => 3,
        ShimPhase.Teardown => 4,
        _ => throw new ArgumentException($"'{phase}' is no phase.", nameof(phase)),
    };

    /// <summary>Streams of the phases up to and including this one, in their order.</summary>
    public static IEnumerable<SpoolStream> UpTo(byte phase) =>
        phase == All ? Streams : Streams.Where(stream => Of(stream) is var of && of > 0 && of <= phase);
}
