using System.Text;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Schemes;

namespace OzFunctions.Core.Tests.Webhooks;

/// <summary>Signatures, first of all with the published vectors (facts, peers section 4).</summary>
public sealed class SchemeTests
{
    private const string SlashCommand = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    private static readonly DateTimeOffset Any = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    [Fact]
    public void GitHubs_published_vector_is_genuine() => Assert.Null(Check(
        WebhookKind.GitHub,
        WebhookRig.Post("Hello, World!", ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")),
        Any));

    [Fact]
    public void Slacks_published_vector_is_genuine() => Assert.Null(Check(
        WebhookKind.Slack,
        WebhookRig.Post(SlashCommand, ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"), ("X-Slack-Request-Timestamp", "1531420618")),
        DateTimeOffset.FromUnixTimeSeconds(1531420618)));

    [Fact]
    public void Standard_Webhooks_published_vector_is_genuine() => Assert.Null(Check(
        WebhookKind.Standard,
        WebhookRig.Post(
            "{\"test\": 2432232314}",
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"), ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")),
        DateTimeOffset.FromUnixTimeSeconds(1614265330)));

    [Theory]
    [InlineData(-301, true)]
    [InlineData(-300, false)]
    [InlineData(0, false)]
    [InlineData(300, false)]
    [InlineData(301, true)]
    public void A_signed_time_is_taken_within_five_minutes_in_both_directions(int off, bool refused)
    {
        var now = Any;
        Assert.Equal(refused, Check(WebhookKind.Standard, WebhookRig.Standard("{}", now.ToUnixTimeSeconds() + off), now) is not null);
        Assert.Equal(refused, Check(WebhookKind.Slack, WebhookRig.Slack("{}", now.ToUnixTimeSeconds() + off), now) is not null);
    }

    [Theory]
    [InlineData(-61_000, true)]
    [InlineData(-60_000, false)]
    [InlineData(60_000, false)]
    [InlineData(61_000, true)]
    public void Linears_time_is_in_its_body_and_taken_within_a_minute(int off, bool refused) => Assert.Equal(
        refused, Check(WebhookKind.Linear, WebhookRig.Linear($$"""{"webhookTimestamp":{{Any.ToUnixTimeMilliseconds() + off}}}"""), Any) is not null);

    [Theory]
    [InlineData("""{"a":1}""")]
    [InlineData("""{"webhookTimestamp":"1700000000000"}""")]
    [InlineData("""{"webhookTimestamp":0}""")]
    [InlineData("""{"webhookTimestamp":1e300}""")]
    [InlineData("[]")]
    public void A_Linear_delivery_without_a_time_is_refused(string body) => Assert.NotNull(Check(WebhookKind.Linear, WebhookRig.Linear(body), Any));

    [Theory]
    [InlineData(WebhookKind.GitHub)]
    [InlineData(WebhookKind.Slack)]
    [InlineData(WebhookKind.Linear)]
    [InlineData(WebhookKind.Standard)]
    [InlineData(WebhookKind.Hmac)]
    [InlineData(WebhookKind.Token)]
    [InlineData(WebhookKind.CloudEvents)]
    public void One_changed_byte_of_body_signature_or_time_is_a_forgery_and_so_is_a_missing_header(WebhookKind kind)
    {
        var genuine = Sign(kind);
        Assert.Null(Check(kind, genuine, Any));

        if (kind is not (WebhookKind.Token or WebhookKind.CloudEvents))
        {
            var body = genuine.Body.ToArray();
            body[^2] ^= 1;
            Assert.NotNull(Check(kind, genuine with { Body = body }, Any));
            Assert.NotNull(Check(kind, genuine with { Body = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(genuine.Body.Span) + "\n") }, Any));
        }

        foreach (var (name, value) in genuine.Headers.Where(header => header.Key is not ("Content-Type" or "X-GitHub-Event" or "X-GitHub-Delivery" or "Linear-Delivery")))
        {
            Assert.NotNull(Check(kind, With(genuine, name, null), Any));
            Assert.NotNull(Check(kind, With(genuine, name, ""), Any));
            Assert.NotNull(Check(kind, With(genuine, name, value[..^1]), Any));
            Assert.NotNull(Check(kind, With(genuine, name, value + "0"), Any));
            Assert.NotNull(Check(kind, With(genuine, name, value[..^2] + (value[^2] == '1' ? '2' : '1') + value[^1]), Any));
        }
    }

    [Theory]
    [InlineData(WebhookKind.GitHub)]
    [InlineData(WebhookKind.Slack)]
    [InlineData(WebhookKind.Linear)]
    [InlineData(WebhookKind.Standard)]
    [InlineData(WebhookKind.Hmac)]
    [InlineData(WebhookKind.Token)]
    [InlineData(WebhookKind.CloudEvents)]
    public void While_a_secret_is_replaced_both_are_good_and_afterwards_only_the_new_one(WebhookKind kind)
    {
        var old = kind switch { WebhookKind.Slack => WebhookRig.SlackSecret, WebhookKind.Standard => WebhookRig.StandardSecret, _ => WebhookRig.Secret };
        const string next = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

        Assert.Null(Check(kind, Sign(kind), Any, next, old));
        Assert.Null(Check(kind, Sign(kind, next), Any, next, old));
        Assert.NotNull(Check(kind, Sign(kind), Any, next));
    }

    [Fact]
    public void A_Standard_signature_may_stand_anywhere_in_the_list_but_only_as_v1()
    {
        var genuine = WebhookRig.Standard("{}", Any.ToUnixTimeSeconds());
        var signature = genuine.Headers["webhook-signature"];

        Assert.Null(Check(WebhookKind.Standard, With(genuine, "webhook-signature", $"v1a,AAAA v1,bm90IG91cnM= {signature}"), Any));
        Assert.NotNull(Check(WebhookKind.Standard, With(genuine, "webhook-signature", signature.Replace("v1,", "v2,", StringComparison.Ordinal)), Any));
        Assert.NotNull(Check(WebhookKind.Standard, With(genuine, "webhook-signature", signature[3..]), Any));
        Assert.NotNull(Check(WebhookKind.Standard, With(genuine, "webhook-id", "msg_2"), Any));
    }

    [Fact]
    public void An_hmac_may_be_hex_or_base64_with_or_without_its_name()
    {
        var hex = WebhookRig.Hex(WebhookRig.Secret, "{}");
        string[] forms = [hex, hex.ToUpperInvariant(), "sha256=" + hex, Convert.ToBase64String(Convert.FromHexString(hex)), "sha256=" + Convert.ToBase64String(Convert.FromHexString(hex))];

        Assert.All(forms, form => Assert.Null(Check(WebhookKind.Hmac, WebhookRig.Post("{}", ("X-Signature-256", form)), Any)));
    }

    [Theory]
    [InlineData("Bearer It's a Secret to Everybody")]
    [InlineData("bearer It's a Secret to Everybody")]
    [InlineData("It's a Secret to Everybody")]
    public void A_token_may_have_Bearer_in_front(string value) => Assert.Null(Check(WebhookKind.Token, WebhookRig.Post("{}", ("Authorization", value)), Any));

    [Theory]
    [InlineData("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true)]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true)]
    [InlineData("whsec_not base64!", false)]
    [InlineData("whsec_c2hvcnQ=", false)]
    [InlineData("", false)]
    public void A_secret_of_Standard_Webhooks_is_a_key_in_base64(string secret, bool isKey) => Assert.Equal(isKey, StandardScheme.FindKey(secret) is not null);

    private static string? Check(WebhookKind kind, WebhookArrival arrival, DateTimeOffset now, params string[] secrets) =>
        WebhookScheme.Create(WebhookRig.Hook(kind, secrets: secrets)).FindForgery(arrival, now);

    private static WebhookArrival Sign(WebhookKind kind, string? secret = null) => kind switch
    {
        WebhookKind.GitHub => WebhookRig.GitHub("""{"a":1}""", secret: secret ?? WebhookRig.Secret),
        WebhookKind.Slack => WebhookRig.Slack("""{"a":1}""", Any.ToUnixTimeSeconds(), secret: secret ?? WebhookRig.SlackSecret),
        WebhookKind.Linear => WebhookRig.Linear($$"""{"webhookTimestamp":{{Any.ToUnixTimeMilliseconds()}}}""", secret: secret ?? WebhookRig.Secret),
        WebhookKind.Standard => WebhookRig.Standard("""{"a":1}""", Any.ToUnixTimeSeconds(), secret: secret ?? WebhookRig.StandardSecret),
        WebhookKind.Hmac => WebhookRig.Post("""{"a":1}""", ("X-Signature-256", WebhookRig.Hex(secret ?? WebhookRig.Secret, """{"a":1}"""))),
        _ => WebhookRig.Post("""{"a":1}""", ("Authorization", "Bearer " + (secret ?? WebhookRig.Secret))),
    };

    private static WebhookArrival With(WebhookArrival arrival, string name, string? value)
    {
        var headers = arrival.Headers.Where(header => value is not null || header.Key != name).ToDictionary(header => header.Key, header => header.Key == name ? value! : header.Value, StringComparer.OrdinalIgnoreCase);
        return arrival with { Headers = headers };
    }
}
