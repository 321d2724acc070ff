using System.Text.Json;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>Slack: <c>X-Slack-Signature</c> <c>v0=</c> over <c>v0:&lt;timestamp&gt;:&lt;body&gt;</c>; events, slash commands, interactions, and the address check.</summary>
internal sealed class SlackScheme(WebhookOptions options) : WebhookScheme(options)
{
    public const string SlashCommand = "slash_command";

    /// <summary>Subtypes of a message that somebody wrote just now; the others tell of edits, joins and the like.</summary>
    private static readonly string[] Written = ["file_share", "thread_broadcast", "me_message"];

    private readonly IReadOnlyList<byte[]> _keys = Signature.Keys(options.Secrets);
    private readonly TimeSpan _tolerance = options.Tolerance ?? TimeSpan.FromMinutes(5);

    /// <summary>The old verification token, and what lets its holder post in the sender's name for half an hour.</summary>
    public override IReadOnlyList<string> NotKept => ["token", "response_url", "response_urls"];

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now)
    {
        var time = arrival.Find("X-Slack-Request-Timestamp");
        if (arrival.Find("X-Slack-Signature") is not { } text)
        {
            return "it has no X-Slack-Signature";
        }

        if (Signature.FindTimeFault(time, now, _tolerance) is { } timeFault)
        {
            return timeFault;
        }

        return text.StartsWith("v0=", StringComparison.Ordinal) && Signature.FromHex(text[3..]) is { } signature
            && Signature.IsGenuine(_keys, $"v0:{time}:", arrival.Body, signature) ? null : "its X-Slack-Signature is not ours";
    }

    public override WebhookReading Read(WebhookArrival arrival)
    {
        var payload = Body.ReadPayload(arrival);
        if (payload.FindString("command") is not null)
        {
            return WebhookReading.Of(DeliveryIds.Get(payload.FindString("trigger_id") ?? DeliveryIds.OfBody(arrival.Body), "trigger_id"), SlashCommand, payload);
        }

        switch (payload.FindString("type"))
        {
            case "url_verification":
                return WebhookReading.AnswerWith(payload.FindString("challenge") is { Length: <= 500 } challenge
                    ? WebhookAnswer.Text(challenge)
                    : throw new WebhookBodyException("The url_verification has no challenge"));
            case "event_callback":
                return WebhookReading.Of(DeliveryIds.Get(payload.FindString("event_id"), "event_id"), payload.Member("event").FindString("type"), payload);
            case null:
                throw new WebhookBodyException("The delivery is neither an event, nor a slash command, nor an interaction");
            case var interaction:
                return WebhookReading.Of(DeliveryIds.Get(payload.FindString("trigger_id") ?? DeliveryIds.OfBody(arrival.Body), "trigger_id"), interaction, payload);
        }
    }

    public override WebhookOrigin Describe(string? eventName, JsonElement payload)
    {
        var message = payload.Member("event");
        var user = message.FindString("user") ?? payload.FindString("user_id") ?? payload.Member("user").FindString("id");
        var bot = message.FindString("bot_id") ?? message.Member("bot_profile").FindString("id");
        var team = payload.FindString("team_id");
        var from = message.FindString("user_team") ?? message.FindString("source_team");
        var subtype = message.FindString("subtype");
        return new()
        {
            Sender = [.. new[] { user, bot, message.FindString("app_id") }.OfType<string>()],
            IsBot = bot is not null || subtype == "bot_message" || user == "USLACKBOT",
            Stranger = from is not null && team is not null && from != team ? $"the message comes from another workspace ({from})" : null,
            Idle = subtype is not (null or "bot_message") && !Written.Contains(subtype) ? $"a message of subtype '{subtype}' is not written by anybody just now"
                : eventName == "app_rate_limited" ? "Slack says that it holds events back"
                : null,
        };
    }

    /// <summary>A slash command is answered where it was typed, and only 200 is an answer there.</summary>
    public override WebhookAnswer? AnswerInPlace(string? eventName, string text) => eventName != SlashCommand ? null : WebhookAnswer.Json(
        200,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("response_type", "ephemeral");
            json.WriteString("text", text);
            json.WriteEndObject();
        });
}
