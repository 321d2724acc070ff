using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Webhooks;

/// <summary>Which genuine deliveries start a run. Bots and outsiders do not, unless the configuration lets them in by name.</summary>
internal sealed class WebhookFilter(WebhookFilterOptions options)
{
    /// <summary>Why the delivery starts nothing; null: it may.</summary>
    public string? FindReason(WebhookMessage message, WebhookOrigin origin) =>
        FindEventReason(message.Event, origin)
        ?? FindSenderReason(origin)
        ?? FindPayloadReason(message.Payload);

    private string? FindEventReason(string? eventName, WebhookOrigin origin)
    {
        if (origin.Idle is { } idle)
        {
            return idle;
        }

        if (options.Events is { } events && !(eventName is not null && (events.Contains(eventName) || (origin.Action is { } action && events.Contains($"{eventName}.{action}")))))
        {
            return $"event {Show(eventName)} is not one of events";
        }

        if (options.Actions is { } actions && !(origin.Action is not null && actions.Contains(origin.Action)))
        {
            return $"action {Show(origin.Action)} is not one of actions";
        }

        return options.Labels is { } labels && !origin.Labels.Any(label => labels.Contains(label, StringComparer.OrdinalIgnoreCase))
            ? $"label {Show(origin.Labels is [] ? null : string.Join(", ", origin.Labels))} is not one of labels"
            : null;
    }

    private string? FindSenderReason(WebhookOrigin origin)
    {
        var who = origin.Shown;
        var isListedBot = Lists(options.Bots, origin.Sender);
        if (origin.IsBot && !isListedBot)
        {
            return $"sender {Show(who)} is a bot, and not one of bots";
        }

        if (options.Senders is { } senders && !Lists(senders, origin.Sender) && !isListedBot)
        {
            return $"sender {Show(who)} is not one of senders";
        }

        return options.Outsiders ? null : origin.Stranger;
    }

    private string? FindPayloadReason(JsonElement payload)
    {
        foreach (var path in options.Required)
        {
            if (path.FindText(payload) is null or "")
            {
                return $"{path} is missing";
            }
        }

        foreach (var rule in options.Where)
        {
            if (!Texts(rule.Path.Find(payload)).Any(rule.Texts.Contains))
            {
                return $"{rule.Path} is {Show(rule.Path.FindText(payload))}, not {string.Join(" or ", rule.Texts)}";
            }
        }

        foreach (var rule in options.Contains)
        {
            if (rule.Path.FindText(payload) is not { } text || !Mentions.AnyOf(rule.Texts, text))
            {
                return $"{rule.Path} does not say {string.Join(" or ", rule.Texts)}";
            }
        }

        return null;
    }

    private static bool Lists(IReadOnlyList<string> list, IReadOnlyList<string> names) => names.Any(name => list.Contains(name, StringComparer.OrdinalIgnoreCase));

    /// <summary>A list holds each of its items.</summary>
    private static IEnumerable<string> Texts(JsonElement? found) => found switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => list.EnumerateArray().Select(PayloadPath.TextOf),
        { } element => [PayloadPath.TextOf(element)],
    };

    private static string Show(string? text) => text is null ? "(none)" : $"'{FaultValue.Shorten(PayloadText.CleanLine(text))}'";
}
