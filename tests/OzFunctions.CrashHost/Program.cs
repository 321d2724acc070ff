using System.Runtime.InteropServices;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Protocol;
using OzFunctions.Runs;

// OzFunctions.CrashHost STEP ozf-arguments…: the real ozf, which kills itself with SIGKILL right after the first passing of the step.
if (!Enum.TryParse<ProtocolStep>(args[0], out var step))
{
    Console.Error.WriteLine($"'{args[0]}' is no step of the protocol.");
    return 64;
}

return await OzfProgram.RunAsync(args[1..], Surroundings.OfThisProcess() with { Probe = new SelfKill(step) });

internal sealed partial class SelfKill(ProtocolStep step) : IProtocolProbe
{
    private const int SigKill = 9;

    public void Passed(ProtocolStep passed, RunId runId)
    {
        if (passed == step)
        {
            _ = Kill(Environment.ProcessId, SigKill);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
