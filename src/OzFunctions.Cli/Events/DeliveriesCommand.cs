using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Events;

namespace OzFunctions.Cli.Events;

/// <summary><c>ozf events deliveries</c>: how events fared at receivers and commands, newest run first.</summary>
internal static class DeliveriesCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var failed = new Option<bool>("--failed") { Description = "Only those that are not taken (yet)" };
        var limit = new Option<int>("--limit") { HelpName = "N", Description = "Most events", DefaultValueFactory = _ => 50 };
        return new Command("deliveries", "Show what became of events sent by HTTP and to commands").With(failed, limit).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var store = context.OpenStore();
            var deliveries = await store.Core.Deliveries.ListAsync(cancellationToken)
                .Where(delivery => !context.Get(failed) || delivery.Publishers.Any(publisher => publisher.State != EventDeliveryState.Delivered))
                .Take(Math.Max(context.Get(limit), 0)).ToListAsync(cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteStartArray("deliveries");
                    deliveries.ForEach(delivery => JsonSerializer.Serialize(json, delivery, EventDeliveryJson.Wire.EventDelivery));
                    json.WriteEndArray();
                    json.WriteEndObject();
                });
            }
            else if (deliveries.Count == 0)
            {
                context.Screen.Note("No deliveries. Queues are not logged: what stands in a queue was delivered.");
            }
            else
            {
                Show(context, deliveries);
            }

            return ExitCodes.Success;
        });
    }

    public static Style StyleOf(EventDeliveryState state) => state switch
    {
        EventDeliveryState.Delivered => Style.Good,
        EventDeliveryState.Failed => Style.Bad,
        _ => Style.Warning,
    };

    private static void Show(CommandContext context, List<EventDelivery> deliveries)
    {
        var table = new Table("EVENT", "PUBLISHER", "STATE", "TRIES", "LAST TRY", "NEXT", "ANSWER");
        foreach (var (delivery, publisher) in deliveries.SelectMany(delivery => delivery.Publishers.Select(publisher => (delivery, publisher))))
        {
            table.Add(
                delivery.EventId,
                publisher.Publisher,
                new(publisher.State.ToString().ToLowerInvariant(), StyleOf(publisher.State)),
                publisher.Tries.ToString(CultureInfo.InvariantCulture),
                PlainText.Relative(publisher.At, context.Now),
                publisher.NextAt is { } next ? PlainText.Relative(next, context.Now) : "",
                PlainText.OneLine(publisher.Message ?? ""));
        }

        table.Write(context.Screen);
    }
}
