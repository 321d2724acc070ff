using System.Text.Json;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>How one kind of sender signs, what its deliveries look like, and who is behind them.</summary>
internal abstract class WebhookScheme(WebhookOptions options)
{
    protected WebhookOptions Options { get; } = options;

    public static WebhookScheme Create(WebhookOptions options) => options.Kind switch
    {
        WebhookKind.Standard => new StandardScheme(options),
        WebhookKind.GitHub => new GitHubScheme(options),
        WebhookKind.Slack => new SlackScheme(options),
        WebhookKind.Linear => new LinearScheme(options),
        WebhookKind.Hmac => new HmacScheme(options),
        WebhookKind.Token => new TokenScheme(options),
        WebhookKind.CloudEvents => new CloudEventsScheme(options),
        _ => throw new ArgumentOutOfRangeException(nameof(options), options.Kind, "no such kind of webhook"),
    };

    /// <summary>
    /// Looks at headers and raw bytes only. Null: the delivery is genuine and fresh; otherwise why not, for the host's own log: the sender is never told.
    /// </summary>
    public abstract string? FindForgery(WebhookArrival arrival, DateTimeOffset now);

    /// <summary>What a genuine arrival says. Throws <see cref="WebhookBodyException"/> when it cannot be read.</summary>
    public abstract WebhookReading Read(WebhookArrival arrival);

    /// <summary>Who is behind a payload; also of a stored one.</summary>
    public virtual WebhookOrigin Describe(string? eventName, JsonElement payload) => WebhookOrigin.Unknown;

    /// <summary>The answer to a request that asks whether deliveries are wanted here; null: this kind has no such question.</summary>
    public virtual WebhookAnswer? AnswerHandshake(WebhookArrival arrival) => null;

    /// <summary>
    /// How long the same signed bytes under another id count as the same delivery, where the id is not signed; null: it is, or nothing is.
    /// </summary>
    /// <param name="payload">The signed one: headers, such as the event's name, are not to be trusted with this.</param>
    public virtual TimeSpan? UsualReplayWindow(JsonElement payload) => null;

    /// <summary>The payload as it is kept: without what would let a reader act for the sender.</summary>
    public virtual IReadOnlyList<string> NotKept => [];

    /// <summary>What the sender's own system shows when this is accepted; null: run id and status URL.</summary>
    public virtual WebhookAnswer? AnswerInPlace(string? eventName, string text) => null;
}

/// <summary>The messages of an arrival, or the answer that it asked for at once.</summary>
internal sealed record WebhookReading(IReadOnlyList<WebhookMessage> Messages, WebhookAnswer? Answer = null)
{
    public static WebhookReading Of(string id, string? eventName, JsonElement payload) => new([new(id, eventName, payload)]);

    public static WebhookReading AnswerWith(WebhookAnswer answer) => new([], answer);
}
