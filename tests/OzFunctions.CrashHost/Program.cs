using System.Globalization;
using OzFunctions.Cli.CommandLine;
using OzFunctions.CrashHost;
using OzFunctions.Protocol;
using OzFunctions.Testing.Faults;

// OzFunctions.CrashHost WHERE ozf-arguments…: the real ozf, which kills itself with SIGKILL. WHERE is a step of the protocol (right after its first passing), or
// KIND:N, the n-th call of a port or step of one run (KillBefore:12, KillAfter:12, FailBefore:12 …). KIND:0 kills nobody and says on stderr how many there were.
if (Enum.TryParse<ProtocolStep>(args[0], out var step))
{
    return await OzfProgram.RunAsync(args[1..], Surroundings.OfThisProcess() with { Probe = new SelfKill(step) });
}

if (args[0].Split(':') is not [var kind, var number] || !Enum.TryParse<FaultKind>(kind, out var what) || !int.TryParse(number, CultureInfo.InvariantCulture, out var n))
{
    Console.Error.WriteLine($"'{args[0]}' is no step of the protocol, and no KIND:N.");
    return 64;
}

var fault = new StepFault(n, what, StepFault.OfRuns, SelfKill.Now);
var surroundings = Surroundings.OfThisProcess() with { Probe = fault };
var exitCode = await OzfProgram.RunAsync(
    args[1..],
    surroundings with
    {
        Ports = ports => ports with
        {
            Blobs = new FaultyBlobStore(ports.Blobs, fault),
            Bell = new FaultyBell(ports.Bell, fault),
            Publishers = [.. ports.Publishers.Select(publisher => new FaultyPublisher(publisher, fault))],
        },
    });
Console.Error.WriteLine($"steps: {fault.Steps}");
return exitCode;
