using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs retry</c>: the same request as a new run; the old one stays as it is.</summary>
internal static class RunsRetryCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run to repeat" };
        return new Command("retry", "Submit a finished run's request again").With(id).Does(surroundings, async (context, cancellationToken) =>
        {
            using var export = TelemetryExport.StartCall(context);
            await using var desk = context.OpenDesk();
            var first = await RunSearch.GetAsync(desk, context.Get(id)!, cancellationToken);
            if (!first.State.IsTerminal())
            {
                throw CommandException.Usage($"run {first.RunId} is {first.State.Text()}; only a finished run can be repeated (ozf runs cancel ends it).");
            }

            var answer = await desk.RetryAsync(first, cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("run_id", answer.RunId.Value);
                    json.WriteBoolean("created", answer.Created);
                    json.WriteString("retry_of", first.RunId.Value);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line(answer.RunId.Value);
            }

            return ExitCodes.Success;
        });
    }
}
