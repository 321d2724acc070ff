using System.CommandLine;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs get</c>: the record, exactly as stored for programs, as a page for people.</summary>
internal static class RunsGetCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run" };
        return new Command("get", "Show one run's record").With(id).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var run = await RunSearch.GetAsync(desk, context.Get(id)!, cancellationToken);
            if (!context.Screen.Json)
            {
                RunPageText.Write(context.Screen, run, context.Now);
            }
            else if (await desk.FindStoredAsync(run.RunId, cancellationToken) is { } stored)
            {
                context.Screen.WriteStored(stored);
            }

            return ExitCodes.Success;
        });
    }
}
