using OzFunctions.Runs;

namespace OzFunctions.Protocol;

/// <summary>Told after each step of the protocol. In production nobody listens; tests kill the process, fail or wait there.</summary>
public interface IProtocolProbe
{
    void Passed(ProtocolStep step, RunId runId);
}

/// <summary>Nobody listens.</summary>
public sealed class NoProbe : IProtocolProbe
{
    public static NoProbe Instance { get; } = new();

    public void Passed(ProtocolStep step, RunId runId)
    {
    }
}

/// <summary>The numbered steps that change something, by the names of <c>docs/protocol.md</c>.</summary>
public enum ProtocolStep
{
    I2, I3, I4, I5, I6,
    C4, C5, C6, C7, C8, C9, C10,
    S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11,
    A1, A2, A3,
    X1, X2,
    T1, T3, T4, T6,
}
