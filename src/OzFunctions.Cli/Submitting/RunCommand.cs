using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Submitting;

/// <summary><c>ozf run</c>: submits a run request, and follows the run when asked to.</summary>
internal static class RunCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var request = new RequestOptions();
        var wait = new Option<bool>("--wait") { Description = "Show the log as it comes and end with the run's exit code" };
        var waitTimeout = new Option<string?>("--wait-timeout") { HelpName = "DUR", Description = "Stop waiting after this time, exit 75; the run goes on" };
        var command = new Command("run", "Submit a run").With(wait, waitTimeout);
        request.AddTo(command);
        return command.Does(surroundings, (context, cancellationToken) => RunAsync(context, request, wait, waitTimeout, cancellationToken));
    }

    private static async Task<int> RunAsync(
        CommandContext context, RequestOptions options, Option<bool> wait, Option<string?> waitTimeout, CancellationToken cancellationToken)
    {
        var atMost = ParseWait(context.Get(waitTimeout));
        var request = await RequestText.ReadAsync(options, context, cancellationToken);
        using var export = TelemetryExport.StartCall(context);
        await using var desk = context.OpenDesk();
        var answer = await desk.SubmitAsync(request, context.Traceparent, cancellationToken);
        Show(context, answer);
        return context.Get(wait) || context.Has(waitTimeout)
            ? await RunFollower.FollowAsync(context, desk, answer.RunId, atMost, cancellationToken)
            : ExitCodes.Success;
    }

    private static TimeSpan? ParseWait(string? text) => text is null
        ? null
        : DurationText.TryParse(text, out var atMost) ? atMost : throw CommandException.Usage($"--wait-timeout: '{text}': {DurationText.Rule}");

    private static void Show(CommandContext context, SubmitAnswer answer)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("run_id", answer.RunId.Value);
                json.WriteBoolean("created", answer.Created);
                if (answer.RequestDiffers)
                {
                    json.WriteBoolean("request_differs", true);
                }

                json.WriteEndObject();
            });
        }
        else
        {
            context.Screen.Line(answer.RunId.Value);
        }

        // A script that reads the id line by line gets it now, not when the run is over.
        context.Surroundings.Out.Flush();
        if (answer.RequestDiffers)
        {
            context.Screen.Warn("this idempotency key was used before with another request; this is the first run, nothing new was started.");
        }

        if (answer.Warning is { } warning)
        {
            context.Screen.Warn(warning);
        }
    }
}
