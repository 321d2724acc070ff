using System.CommandLine;
using System.Runtime.InteropServices;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Machine;

namespace OzFunctions.Cli.Demo;

/// <summary><c>ozf demo</c>: the whole job shown once, with nothing set up and nothing left behind.</summary>
internal static class DemoCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var oz = new Option<bool>("--oz") { Description = "With the real oz from PATH (needs its login or WARP_API_KEY)" };
        var azurite = new Option<bool>("--azurite") { Description = "On Azure Storage: an emulator from tests/npm, in memory, gone with the demo" };
        var keep = new Option<bool>("--keep") { Description = "Keep the data directory and say where it is" };
        return new Command("demo", "Show the whole job once, without key, network or set-up").With(oz, azurite, keep).Does(surroundings, async (context, cancellationToken) =>
        {
            Platform.RequireLinux("demo");
            if (context.Get(azurite) && context.Get(keep))
            {
                throw CommandException.Usage("--keep: the emulator of --azurite keeps everything in memory; leave one of the two out.");
            }

            using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            void Leave(PosixSignalContext signal)
            {
                // The first one stops the demo, which cleans up; the second ends this process as it is.
                signal.Cancel = !leave.IsCancellationRequested;
                leave.Cancel();
            }

            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Leave);
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Leave);
            var place = Directory.CreateTempSubdirectory("ozf-demo-").FullName;
            try
            {
                await using var emulator = context.Get(azurite) ? await AzuriteForDemo.StartAsync(context.Surroundings, leave.Token) : null;
                return await new DemoShow(context, place, context.Get(oz), emulator?.Storage).RunAsync(leave.Token);
            }
            catch (OperationCanceledException) when (leave.IsCancellationRequested)
            {
                context.Screen.Note("Stopped.");
                return ExitCodes.Cancelled;
            }
            finally
            {
                if (context.Get(keep))
                {
                    context.Screen.Note($"Kept: {place}/data (ozf runs list --data {place}/data)");
                }
                else
                {
                    Directory.Delete(place, recursive: true);
                }
            }
        });
    }
}
