using System.Runtime.InteropServices;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.CrashHost;

/// <summary>Ends this very process with SIGKILL right after a step.</summary>
internal sealed partial class SelfKill(ProtocolStep step) : IProtocolProbe
{
    private const int SigKill = 9;

    public static void Now() => _ = Kill(Environment.ProcessId, SigKill);

    public void Passed(ProtocolStep passed, RunId runId)
    {
        if (passed == step)
        {
            Now();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
