using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs get</c>: the record, exactly as stored for programs, as a page for people.</summary>
internal static class RunsGetCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run" };
        return new Command("get", "Show one run's record").With(id).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var store = context.OpenStore();
            var run = await RunSearch.GetAsync(store.Core, context.Get(id)!, cancellationToken);
            if (!context.Screen.Json)
            {
                RunPageText.Write(context.Screen, run.Record, context.Now);
            }
            else if (await store.Core.Ports.Blobs.FindAsync(RunBlobs.Record(run.Record.RunId), cancellationToken) is { } blob)
            {
                context.Screen.WriteStored(blob.Content);
            }

            return ExitCodes.Success;
        });
    }
}
