using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Webhooks;

/// <summary><c>ozf webhooks …</c></summary>
internal static class WebhooksCommand
{
    public static Command Create(Surroundings surroundings) => new Command("webhooks", "Webhooks and what came in through them").With(
        CreateList(surroundings), WebhooksDeliveriesCommand.Create(surroundings), WebhooksRedeliverCommand.Create(surroundings));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List the configured webhooks with their addresses").Does(surroundings, async (context, cancellationToken) =>
        {
            var webhooks = context.Settings.Configuration.Webhooks;
            await using var store = context.OpenStore();
            var log = new DeliveryLog(store.Core.Ports.Blobs);
            var rows = new List<(Configuration.WebhookConfiguration Webhook, WebhookDelivery? Last)>();
            foreach (var webhook in webhooks)
            {
                WebhookDelivery? last = null;
                await foreach (var delivery in log.ListAsync(webhook.Name, cancellationToken))
                {
                    last = delivery;
                    break;
                }

                rows.Add((webhook, last));
            }

            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteStartArray("webhooks");
                    foreach (var (webhook, last) in rows)
                    {
                        json.WriteStartObject();
                        json.WriteString("name", webhook.Name);
                        json.WriteString("kind", webhook.Kind.Text());
                        json.WriteString("address", AddressOf(context, webhook.Name));
                        json.WriteBoolean("enabled", webhook.Enabled);
                        if (last is not null)
                        {
                            json.WriteString("last_received_at", OzFunctions.Json.TimeText.Format(last.ReceivedAt));
                            json.WriteString("last_result", WebhooksDeliveriesCommand.TextOf(last.Result));
                        }

                        json.WriteEndObject();
                    }

                    json.WriteEndArray();
                    json.WriteEndObject();
                });
                return ExitCodes.Success;
            }

            if (rows.Count == 0)
            {
                context.Screen.Note("No webhooks are configured (webhooks: in the configuration, docs/webhooks.md).");
                return ExitCodes.Success;
            }

            var table = new Table("NAME", "KIND", "STATE", "LAST DELIVERY", "ADDRESS");
            foreach (var (webhook, last) in rows)
            {
                table.Add(
                    webhook.Name,
                    webhook.Kind.Text(),
                    webhook.Enabled ? new Cell("enabled", Style.Good) : new Cell("disabled", Style.Warning),
                    last is null ? "" : $"{PlainText.Relative(last.ReceivedAt, context.Now)}, {WebhooksDeliveriesCommand.TextOf(last.Result)}",
                    AddressOf(context, webhook.Name));
            }

            table.Write(context.Screen);
            return ExitCodes.Success;
        });

    private static string AddressOf(CommandContext context, string name) => $"{context.Settings.Configuration.PublicUrl}/api/v1/webhooks/{name}";
}
