using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Direct;
using OzFunctions.Direct.Shims;
using OzFunctions.Local;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>How many fsync calls a no-op run costs, from intake to event, in submitter and host; its shim's four status writes come on top.</summary>
internal static class DurableWrites
{
    private const int Runs = 20;

    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors)
    {
        var (files, core) = BenchHost.Open(place.NewDirectory("data"));
        using (files)
        {
            var root = place.NewDirectory("workspaces");
            var shim = await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), root, CancellationToken.None);
            var options = new DirectOptions { WorkspaceRoot = root, OzPath = place.Noop };
            var backend = DirectBackend.Create(options, new(shim), core.Ports.Blobs, TimeProvider.System, NullLoggerFactory.Instance);
            var host = core.CreateHost(new() { WorkerId = "local", Machine = "bench", Version = "bench", Slots = 1 }, backend, requests: null);
            var running = host.RunAsync(CancellationToken.None);
            var before = PosixFiles.Syncs;
            for (var run = 0; run < Runs; run++)
            {
                var answer = await core.Intake.SubmitAsync(
                    new() { Request = new() { Prompt = "bench", Changes = false }, Trigger = new() { Kind = TriggerKind.Cli } }, CancellationToken.None);
                while (await core.Ports.Blobs.FindEntryAsync(RunBlobs.Active(answer.Run.RunId), CancellationToken.None) is not null)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
                }
            }

            var whole = (PosixFiles.Syncs - before) / (double)Runs;
            host.Drain();
            await running;
            report.Add("fsync calls per no-op run, host and submitter", whole, "calls", whole / 2 * floors.DurableWrite, "ms of durable writes");
        }
    }
}
