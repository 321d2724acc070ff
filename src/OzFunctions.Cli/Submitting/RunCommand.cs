using System.CommandLine;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Stores;
using OzFunctions.Intake;
using OzFunctions.Requests;
using OzFunctions.Runs;

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
        await using var store = context.OpenStore();
        var answer = await store.Core.Intake.SubmitAsync(
            new()
            {
                Request = request,
                Trigger = new() { Kind = TriggerKind.Cli },
                Key = IntakeKeys.Cli(request.IdempotencyKey),
                AskedBy = context.Surroundings.Variable("USER"),
            },
            cancellationToken);
        Show(context, answer);
        await WarnSafelyAsync(context, store, answer.Run, cancellationToken);
        return context.Get(wait) || context.Has(waitTimeout)
            ? await RunFollower.FollowAsync(context, store, answer.Run.RunId, atMost, cancellationToken)
            : ExitCodes.Success;
    }

    private static TimeSpan? ParseWait(string? text) => text is null
        ? null
        : DurationText.TryParse(text, out var atMost) ? atMost : throw CommandException.Usage($"--wait-timeout: '{text}': {DurationText.Rule}");

    private static void Show(CommandContext context, IntakeAnswer answer)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("run_id", answer.Run.RunId.Value);
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
            context.Screen.Line(answer.Run.RunId.Value);
        }

        // A script that reads the id line by line gets it now, not when the run is over.
        context.Surroundings.Out.Flush();
        if (answer.RequestDiffers)
        {
            context.Screen.Warn("this idempotency key was used before with another request; this is the first run, nothing new was started.");
        }
    }

    private static async Task WarnSafelyAsync(CommandContext context, OpenStore store, RunRecord run, CancellationToken cancellationToken)
    {
        try
        {
            await WarnWhenNobodyListensAsync(context, store, run, cancellationToken);
        }
        catch (BlobStoreException)
        {
            // The run is accepted: a store that fails now must not make the call look refused.
        }
    }

    private static async Task WarnWhenNobodyListensAsync(CommandContext context, OpenStore store, RunRecord run, CancellationToken cancellationToken)
    {
        if (run.State.IsTerminal())
        {
            return;
        }

        var hosts = await store.Core.Hosts.ListAsync(cancellationToken);
        if (!hosts.Any(host => host.Alive && host.Heartbeat.WorkerId == run.WorkerId))
        {
            context.Screen.Warn($"no live host serves worker '{run.WorkerId}'; the run waits for one (ozf worker --worker-id {run.WorkerId}).");
        }
        else if ((await store.Core.Workers.GetPausedAsync(cancellationToken)).Contains(run.WorkerId))
        {
            context.Screen.Warn($"worker '{run.WorkerId}' is paused; the run waits (ozf workers resume {run.WorkerId}).");
        }
    }
}
