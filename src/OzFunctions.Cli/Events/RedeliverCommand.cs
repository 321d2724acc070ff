using System.CommandLine;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Runs;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Events;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Events;

/// <summary>
/// <c>ozf events redeliver [EVENT|RUN]</c>: owes the event again, durably, and sends it now where this configuration can; what it cannot send, the hosts do. Without
/// an event: all that failed.
/// </summary>
internal static class RedeliverCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var which = new Argument<string?>("event") { HelpName = "EVENT|RUN", Description = "The event or its run [default: every delivery that failed]", Arity = ArgumentArity.ZeroOrOne };
        var publisher = new Option<string?>("--publisher") { HelpName = "NAME", Description = "Only to this publisher" };
        return new Command("redeliver", "Send completion events again").With(which, publisher).Does(
            surroundings, (context, cancellationToken) => RunAsync(context, context.Get(which), context.Get(publisher), cancellationToken));
    }

    private const string FunctionApp = "function_app";

    private static async Task<int> RunAsync(CommandContext context, string? which, string? publisher, CancellationToken cancellationToken)
    {
        using var export = TelemetryExport.StartCall(context);
        await using var store = context.OpenStore();
        var core = store.Core;
        var known = (await core.Workers.GetPublishersAsync(cancellationToken)).Values.SelectMany(names => names)
            .Concat(core.Ports.Publishers.Select(one => one.Name)).Distinct().Order(StringComparer.Ordinal).ToArray();
        if (publisher is not null && !known.Contains(publisher))
        {
            throw CommandException.Usage($"--publisher: '{publisher}' is not a publisher of this configuration or of any host ({string.Join(", ", known)}){Suggestion.For(publisher, known)}");
        }

        var outcomes = new List<Outcome>();
        foreach (var (runId, publishers) in await ChooseAsync(core, which, publisher, cancellationToken))
        {
            outcomes.AddRange(await RedeliverAsync(core, runId, publishers, cancellationToken));
        }

        Show(context, outcomes);
        return outcomes.Any(outcome => outcome.Delivery is { State: not EventDeliveryState.Delivered }) ? ExitCodes.Failed : ExitCodes.Success;
    }

    private static async Task<IReadOnlyList<(RunId RunId, IReadOnlyList<string> Publishers)>> ChooseAsync(OzCore core, string? which, string? publisher, CancellationToken cancellationToken)
    {
        if (which is null)
        {
            return await core.Deliveries.ListAsync(cancellationToken)
                .Select(delivery => (delivery.RunId, (IReadOnlyList<string>)[.. delivery.Publishers
                    .Where(one => one.State == EventDeliveryState.Failed && (publisher is null || one.Publisher == publisher)).Select(one => one.Publisher)]))
                .Where(chosen => chosen.Item2.Count > 0).ToListAsync(cancellationToken);
        }

        if (which.Split(':') is [_, _, var kind] && kind != RunEventKind.Completed.Text())
        {
            throw CommandException.Usage($"'{which}': only completion events are kept; {kind} events are sent once.");
        }

        var run = await RunSearch.GetAsync(core, which.Split(':')[0], cancellationToken);
        if (!run.State.IsTerminal())
        {
            throw CommandException.Usage($"run {run.RunId} is {run.State.Text()}: its completion event comes when it ends.");
        }

        return [(run.RunId, publisher is not null ? [publisher] : [.. (await core.OwedPublishers.FindAsync(run.WorkerId, cancellationToken)).Select(entry => entry.Publisher)])];
    }

    private static async Task<IReadOnlyList<Outcome>> RedeliverAsync(OzCore core, RunId runId, IReadOnlyList<string> publishers, CancellationToken cancellationToken)
    {
        if (await core.Outbox.OweAgainAsync(runId, publishers, cancellationToken) is not { Record: var record } || RunEvents.FindStored(record) is not { Id: var eventId })
        {
            return [];
        }

        var outcomes = new List<Outcome>();
        foreach (var name in publishers)
        {
            var here = core.Ports.Publishers.FirstOrDefault(one => one.Name == name);
            outcomes.Add(here is UnreadyPublisher or { IsElsewhere: true } || core.Outbox.FindOwn(record, record.Outbox!.First(entry => entry.Publisher == name)) is null
                ? new(eventId, name, null, here is { IsElsewhere: true } ? FunctionApp : "hosts")
                : new(eventId, name, await core.Outbox.TryDeliverAsync(runId, name, cancellationToken), LeftTo: null));
        }

        return outcomes;
    }

    private static void Show(CommandContext context, List<Outcome> outcomes)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("redelivered");
                foreach (var outcome in outcomes)
                {
                    json.WriteStartObject();
                    json.WriteString("event_id", outcome.EventId);
                    json.WriteString("publisher", outcome.Publisher);
                    if (outcome.Delivery is null)
                    {
                        json.WriteString("state", "owed");
                        json.WriteString("left_to", outcome.LeftTo);
                    }
                    else
                    {
                        json.WritePropertyName("delivery");
                        JsonSerializer.Serialize(json, outcome.Delivery, EventDeliveryJson.Wire.PublisherDelivery);
                    }

                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        if (outcomes.Count == 0)
        {
            context.Screen.Note("Nothing to send again.");
        }

        foreach (var outcome in outcomes)
        {
            var said = outcome.Delivery switch
            {
                null when outcome.LeftTo == FunctionApp => "left to the function app, which sends to Service Bus with its next tick",
                null => "left to the hosts that have this publisher, within about a minute",
                { State: EventDeliveryState.Delivered } => context.Screen.Paint("delivered", Style.Good),
                { State: var state, NextAt: var next } delivery =>
                    $"{context.Screen.Paint(state.ToString().ToLowerInvariant(), DeliveriesCommand.StyleOf(state))}: {PlainText.OneLine(delivery.Message ?? "")}{(next is { } at ? $" Hosts try again {PlainText.Relative(at, context.Now)}." : "")}",
            };
            context.Screen.Line($"{outcome.EventId}  {outcome.Publisher}  {said}");
        }
    }

    /// <param name="Delivery">Null: not sent from here.</param>
    /// <param name="LeftTo">Who sends it in that case.</param>
    private sealed record Outcome(string EventId, string Publisher, PublisherDelivery? Delivery, string? LeftTo);
}
