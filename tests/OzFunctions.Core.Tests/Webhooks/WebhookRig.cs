using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Core.Tests.Webhooks;

/// <summary>A receiver over a store in memory, and senders that sign.</summary>
internal sealed class WebhookRig : IAsyncDisposable
{
    public const string Secret = "It's a Secret to Everybody";
    public const string SlackSecret = "8f742231b10e8888abcd99yyyzzz85a5";
    public const string StandardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    public WebhookRig(params WebhookOptions[] webhooks)
        : this(null, webhooks)
    {
    }

    public WebhookRig(ILogger<WebhookReceiver>? logger, params WebhookOptions[] webhooks)
    {
        Core = World.NewProcess().Core;
        Receiver = new(webhooks, Core, logger ?? NullLogger<WebhookReceiver>.Instance);
    }

    public World World { get; } = new();

    public OzCore Core { get; }

    public WebhookReceiver Receiver { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static WebhookOptions Hook(WebhookKind kind, RunRequest? request = null, WebhookFilterOptions? filter = null, params string[] secrets)
    {
        var faults = new List<RequestFault>();
        return new()
        {
            Name = "hook",
            Kind = kind,
            Secrets = secrets is [] ? [kind switch { WebhookKind.Slack => SlackSecret, WebhookKind.Standard => StandardSecret, _ => Secret }] : secrets,
            Filter = filter ?? new(),
            Request = RequestTemplate.Create(request ?? new() { Prompt = "Do it" }, faults) ?? throw new ArgumentException(string.Join('\n', faults)),
        };
    }

    public static string Hex(string secret, string content) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(content)));

    public static WebhookArrival Post(string body, params (string Name, string Value)[] headers) => new()
    {
        Method = "POST",
        Headers = headers.ToDictionary(header => header.Name, header => header.Value, StringComparer.OrdinalIgnoreCase),
        Body = Encoding.UTF8.GetBytes(body),
    };

    public static WebhookArrival GitHub(string body, string eventName = "issues", string id = "d-1", string secret = Secret) =>
        Post(body, ("X-Hub-Signature-256", "sha256=" + Hex(secret, body)), ("X-GitHub-Event", eventName), ("X-GitHub-Delivery", id), ("Content-Type", "application/json"));

    public static WebhookArrival Slack(string body, long seconds, string type = "application/json", string secret = SlackSecret) =>
        Post(body, ("X-Slack-Signature", "v0=" + Hex(secret, $"v0:{seconds}:{body}")), ("X-Slack-Request-Timestamp", $"{seconds}"), ("Content-Type", type));

    public static WebhookArrival Linear(string body, string id = "d-1", string secret = Secret) =>
        Post(body, ("Linear-Signature", Hex(secret, body)), ("Linear-Delivery", id), ("Content-Type", "application/json; charset=utf-8"));

    public static WebhookArrival Standard(string body, long seconds, string id = "msg_1", string secret = StandardSecret)
    {
        var signature = HMACSHA256.HashData(Convert.FromBase64String(secret["whsec_".Length..]), Encoding.UTF8.GetBytes($"{id}.{seconds}.{body}"));
        return Post(body, ("webhook-id", id), ("webhook-timestamp", $"{seconds}"), ("webhook-signature", "v1," + Convert.ToBase64String(signature)), ("Content-Type", "application/json"));
    }

    public long Now => World.Clock.GetUtcNow().ToUnixTimeSeconds();

    public Task<WebhookAnswer> SendAsync(WebhookArrival arrival, string name = "hook") => Receiver.ReceiveAsync(name, arrival, "https://runs.example.com", Cancellation);

    public async Task<RunRequest> SendForRequestAsync(WebhookArrival arrival)
    {
        var answer = await SendAsync(arrival);
        Assert.Equal(202, answer.Status);
        return (await World.FindAsync(OzFunctions.Runs.RunId.Parse(RunOf(answer))))!.Request;
    }

    public async Task<int> CountRunsAsync() => (await World.NamesAsync("runs/")).Count;

    public static string RunOf(WebhookAnswer answer) => Parse(answer).GetProperty("run_id").GetString()!;

    public static JsonElement Parse(WebhookAnswer answer)
    {
        using var document = JsonDocument.Parse(answer.Body);
        return document.RootElement.Clone();
    }

    public static string TextOf(WebhookAnswer answer) => Encoding.UTF8.GetString(answer.Body.Span);

    public async Task<List<WebhookDelivery>> DeliveriesAsync() => [.. await Receiver.Log.FindNewestAsync("hook", null, int.MaxValue, Cancellation)];

    public ValueTask DisposeAsync() => World.DisposeAsync();
}
