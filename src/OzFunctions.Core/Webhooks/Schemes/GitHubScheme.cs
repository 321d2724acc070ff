using System.Text.Json;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>GitHub: <c>X-Hub-Signature-256</c> over the raw body; no time is signed, so the delivery's id is the defence against replay.</summary>
internal sealed class GitHubScheme(WebhookOptions options) : WebhookScheme(options)
{
    private const string Prefix = "sha256=";

    /// <summary>Events that say nothing about membership and that only people who may write to the repository set off.</summary>
    private static readonly string[] OfWriters =
        ["push", "create", "delete", "release", "workflow_dispatch", "repository_dispatch", "deployment", "label", "milestone", "branch_protection_rule"];

    /// <summary>Whose text a delivery brings, the most particular first.</summary>
    private static readonly string[] Written = ["comment", "review", "discussion", "pull_request", "issue"];

    private readonly IReadOnlyList<byte[]> _keys = Signature.Keys(options.Secrets);

    /// <summary>A payload says when things changed: GitHub does not sign the same bytes for two events. But for what a person or a script asks for by hand.</summary>
    public override TimeSpan? UsualReplayWindow(JsonElement payload) => IsDispatch(payload) ? TimeSpan.Zero : SignedBodies.MostWindow;

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now)
    {
        if (arrival.Find("X-Hub-Signature-256") is not { } text)
        {
            return "it has no X-Hub-Signature-256 (set a secret in the webhook's settings)";
        }

        return text.StartsWith(Prefix, StringComparison.Ordinal) && Signature.FromHex(text[Prefix.Length..]) is { } signature
            && Signature.IsGenuine(_keys, "", arrival.Body, signature) ? null : "its X-Hub-Signature-256 is not ours";
    }

    public override WebhookReading Read(WebhookArrival arrival) => WebhookReading.Of(
        DeliveryIds.Get(arrival.Find("X-GitHub-Delivery"), "X-GitHub-Delivery"),
        arrival.Find("X-GitHub-Event") ?? throw new WebhookBodyException("The delivery has no X-GitHub-Event"),
        Body.ReadPayload(arrival));

    public override WebhookOrigin Describe(string? eventName, JsonElement payload)
    {
        var sender = payload.Member("sender");
        var login = sender.FindString("login");
        return new()
        {
            Action = payload.FindString("action"),
            Sender = login is null ? [] : [login],
            IsBot = sender.FindString("type") == "Bot" || login?.EndsWith("[bot]", StringComparison.Ordinal) is true,
            Stranger = FindStranger(eventName, payload, login),
            Idle = eventName == "ping" ? "a ping asks for nothing" : null,
            Labels = FindLabels(payload),
        };
    }

    /// <summary>
    /// <c>repository_dispatch</c> and <c>workflow_dispatch</c> hold no time: who asks for the same twice sends the same bytes. <c>client_payload</c> may be null;
    /// of a workflow's run, <c>workflow</c> is an object.
    /// </summary>
    private static bool IsDispatch(JsonElement payload) =>
        payload.ValueKind == JsonValueKind.Object && (payload.TryGetProperty("client_payload", out _) || payload.Member("workflow") is { ValueKind: JsonValueKind.String });

    private string? FindStranger(string? eventName, JsonElement payload, string? sender)
    {
        foreach (var name in Written)
        {
            if (payload.Member(name) is { ValueKind: JsonValueKind.Object } thing)
            {
                var association = thing.FindString("author_association");
                var author = thing.Member("user").FindString("login");
                return association is not null && Options.Filter.Associations.Contains(association, StringComparer.OrdinalIgnoreCase) || IsListed(author)
                    ? null
                    : $"the {name}'s author is {association ?? "nobody known"}, not one of {string.Join(", ", Options.Filter.Associations)}";
            }
        }

        return OfWriters.Contains(eventName) || IsListed(sender) ? null : $"'{eventName}' says nothing about membership: list its senders, or let outsiders in";
    }

    private bool IsListed(string? login) =>
        login is not null && ((Options.Filter.Senders ?? []).Contains(login, StringComparer.OrdinalIgnoreCase) || Options.Filter.Bots.Contains(login, StringComparer.OrdinalIgnoreCase));

    private static List<string> FindLabels(JsonElement payload)
    {
        if (payload.Member("label").FindString("name") is { } set)
        {
            return [set];
        }

        return (payload.Member("pull_request") ?? payload.Member("issue")).Member("labels") is { ValueKind: JsonValueKind.Array } labels
            ? [.. labels.EnumerateArray().Select(label => label.FindString("name")).OfType<string>()]
            : [];
    }
}
