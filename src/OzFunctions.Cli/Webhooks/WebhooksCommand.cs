using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;

namespace OzFunctions.Cli.Webhooks;

/// <summary><c>ozf webhooks …</c></summary>
internal static class WebhooksCommand
{
    public static Command Create(Surroundings surroundings) => new Command("webhooks", "Webhooks and what came in through them").With(
        CreateList(surroundings), WebhooksDeliveriesCommand.Create(surroundings), WebhooksRedeliverCommand.Create(surroundings));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List the configured webhooks with their addresses").Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenWebhookDesk();
            var webhooks = await desk.ListAsync(cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteStartArray("webhooks");
                    foreach (var webhook in webhooks)
                    {
                        json.WriteStartObject();
                        json.WriteString("name", webhook.Name);
                        json.WriteString("kind", webhook.Kind);
                        json.WriteString("address", webhook.Address);
                        json.WriteBoolean("enabled", webhook.Enabled);
                        if (webhook.LastReceivedAt is { } last)
                        {
                            json.WriteString("last_received_at", OzFunctions.Json.TimeText.Format(last));
                            json.WriteString("last_result", webhook.LastResult);
                        }

                        json.WriteEndObject();
                    }

                    json.WriteEndArray();
                    json.WriteEndObject();
                });
                return ExitCodes.Success;
            }

            if (webhooks.Count == 0)
            {
                context.Screen.Note("No webhooks are configured (webhooks: in the configuration, docs/webhooks.md).");
                return ExitCodes.Success;
            }

            var table = new Table("NAME", "KIND", "STATE", "LAST DELIVERY", "ADDRESS");
            foreach (var webhook in webhooks)
            {
                table.Add(
                    webhook.Name,
                    webhook.Kind,
                    webhook.Enabled ? new Cell("enabled", Style.Good) : new Cell("disabled", Style.Warning),
                    webhook.LastReceivedAt is { } last ? $"{PlainText.Relative(last, context.Now)}, {webhook.LastResult}" : "",
                    webhook.Address);
            }

            table.Write(context.Screen);
            return ExitCodes.Success;
        });
}
