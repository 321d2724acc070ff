using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Webhooks;

/// <summary><c>ozf webhooks redeliver WEBHOOK DELIVERY</c>: takes a stored delivery in again, by today's configuration.</summary>
internal static class WebhooksRedeliverCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var webhook = new Argument<string>("webhook") { Description = "The webhook" };
        var id = new Argument<string>("delivery") { Description = "The delivery" };
        var newRun = new Option<bool>("--new-run") { Description = "Start another run also when the delivery has one already" };
        return new Command("redeliver", "Take a stored delivery in again, by today's configuration").With(webhook, id, newRun).Does(surroundings, async (context, cancellationToken) =>
        {
            using var export = TelemetryExport.StartCall(context);
            await using var desk = context.OpenWebhookDesk();
            var delivery = await WebhooksDeliveriesCommand.GetAsync(desk, context.Get(webhook)!, context.Get(id)!, cancellationToken);
            if (delivery.Payload is null)
            {
                throw CommandException.Usage($"the payload of '{delivery.Id}' ({delivery.PayloadBytes} bytes) was too large to be kept; let its sender send it again.");
            }

            var answer = await desk.RedeliverAsync(delivery, context.Get(newRun), cancellationToken)
                ?? throw CommandException.Usage($"webhook '{delivery.Webhook}' is not configured; give its configuration with --config-file or OZF_CONFIG, to the front door where --server names one.");
            switch (answer)
            {
                case { Reason: { } reason }:
                    context.Screen.Fail($"the delivery starts nothing: {reason}.");
                    return ExitCodes.Failed;
                case { Faults.Count: > 0 }:
                    context.Screen.Fail(RequestProblem.ToText("no run request can be made of it:", answer.Faults).TrimEnd());
                    return ExitCodes.Failed;
                case { Created: false }:
                    throw CommandException.Usage($"the delivery has run {answer.RunId} already; --new-run starts another one.");
            }

            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("run_id", answer.RunId!.Value.Value);
                    json.WriteBoolean("created", true);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line(answer.RunId!.Value.Value);
            }

            return ExitCodes.Success;
        });
    }
}
