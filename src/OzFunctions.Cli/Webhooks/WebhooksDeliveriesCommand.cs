using System.CommandLine;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Cli.Webhooks;

/// <summary><c>ozf webhooks deliveries [WEBHOOK [DELIVERY]]</c>: what came in, and why it did or did not start a run.</summary>
internal static class WebhooksDeliveriesCommand
{
    private const int UsualMost = 50;

    /// <summary>As over HTTP.</summary>
    private const int MostDeliveries = 1_000;

    public static Command Create(Surroundings surroundings)
    {
        var webhook = new Argument<string?>("webhook") { Description = "Only of this webhook", Arity = ArgumentArity.ZeroOrOne };
        var id = new Argument<string?>("delivery") { Description = "One delivery, with its payload", Arity = ArgumentArity.ZeroOrOne };
        var result = new Option<string?>("--result") { HelpName = "RESULT", Description = "accepted, filtered, faulty or refused" };
        result.AcceptOnlyFromAmong([.. Enum.GetValues<DeliveryResult>().Select(value => value.Text())]);
        var most = new Option<int>("--limit") { HelpName = "N", Description = "At most so many, newest first, up to 1000", DefaultValueFactory = _ => UsualMost };
        return new Command("deliveries", "List what came in, newest first, or show one delivery").With(webhook, id, result, most).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenWebhookDesk();
            if (context.Get(id) is { } delivery)
            {
                Show(context, await GetAsync(desk, context.Get(webhook)!, delivery, cancellationToken));
                return ExitCodes.Success;
            }

            if (context.Get(most) is < 1 or > MostDeliveries)
            {
                throw CommandException.Usage($"--limit: '{context.Get(most)}': must be from 1 to {MostDeliveries}.");
            }

            List(context, await desk.ListDeliveriesAsync(context.Get(webhook), Enum.GetValues<DeliveryResult>().Where(value => value.Text() == context.Get(result)).Cast<DeliveryResult?>().FirstOrDefault(), context.Get(most), cancellationToken));
            return ExitCodes.Success;
        });
    }

    public static async Task<WebhookDelivery> GetAsync(IWebhookDesk desk, string webhook, string id, CancellationToken cancellationToken) =>
        await desk.FindDeliveryAsync(webhook, id, cancellationToken)
        ?? throw CommandException.Usage($"there is no delivery '{id}' of webhook '{webhook}' (ozf webhooks deliveries {webhook}); entries are kept for {DeliveryLog.Kept.TotalDays:0} days.");

    private static void List(CommandContext context, IReadOnlyList<WebhookDelivery> deliveries)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json => DeliveryJson.WriteList(json, deliveries));
            return;
        }

        if (deliveries.Count == 0)
        {
            context.Screen.Note("No deliveries.");
            return;
        }

        var table = new Table("RECEIVED", "WEBHOOK", "DELIVERY", "EVENT", "SENDER", "RESULT", "RUN OR REASON");
        foreach (var delivery in deliveries)
        {
            table.Add(
                PlainText.Relative(delivery.ReceivedAt, context.Now),
                delivery.Webhook,
                PlainText.OneLine(delivery.Id),
                PlainText.OneLine(EventOf(delivery)),
                PlainText.OneLine(delivery.Sender ?? ""),
                new Cell(delivery.Result.Text(), StyleOf(delivery.Result)),
                PlainText.OneLine(delivery.RunId?.Value ?? delivery.Reason ?? ""));
        }

        table.Write(context.Screen);
    }

    private static void Show(CommandContext context, WebhookDelivery delivery)
    {
        var screen = context.Screen;
        if (screen.Json)
        {
            screen.WriteIndented(json => JsonSerializer.Serialize(json, delivery, DeliveryJson.Wire.WebhookDelivery));
            return;
        }

        screen.Line($"Delivery  {screen.Paint(PlainText.OneLine(delivery.Id), Style.Strong)} of {delivery.Webhook}");
        screen.Line($"Received  {PlainText.Time(delivery.ReceivedAt, context.Now)}{(delivery.Repeats > 0 ? $", and {PlainText.Count(delivery.Repeats, "time")} again" : "")}");
        screen.Line($"Event     {PlainText.OneLine(EventOf(delivery))}{(delivery.Sender is { } sender ? $", by {PlainText.OneLine(sender)}" : "")}");
        screen.Line($"Result    {screen.Paint(delivery.Result.Text(), StyleOf(delivery.Result))}{(delivery.Reason is { } reason ? $": {PlainText.OneLine(reason)}" : "")}");
        if (delivery.RunId is { } run)
        {
            screen.Line($"Run       {run}");
        }

        foreach (var again in delivery.RedeliveredAs ?? [])
        {
            screen.Line($"Again as  {again}");
        }

        screen.Line();
        if (delivery.Payload is { } payload)
        {
            screen.WriteIndented(payload.WriteTo);
        }
        else
        {
            screen.Note($"The payload ({delivery.PayloadBytes} bytes) is too large to be kept.");
        }
    }

    private static string EventOf(WebhookDelivery delivery) => (delivery.Event, delivery.Action) switch
    {
        (null, _) => "",
        (var name, null) => name,
        var (name, action) => $"{name}.{action}",
    };

    private static Style StyleOf(DeliveryResult result) => result switch
    {
        DeliveryResult.Accepted => Style.Good,
        DeliveryResult.Filtered => Style.Quiet,
        DeliveryResult.Faulty => Style.Bad,
        _ => Style.Warning,
    };
}
