using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Http.Webhooks;
using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Http.Tests;

/// <summary>The address of webhooks behind the front door: no key, its own limits, and the door's rules about hosts and origins.</summary>
public sealed class WebhookEndpointTests
{
    private const string Secret = "a secret for tests";
    private const string Address = "/api/v1/webhooks/issues";
    private const string Body = """{"action":"labeled","issue":{"number":1,"author_association":"OWNER"},"sender":{"login":"ann"}}""";

    private readonly DoorRig _rig;
    private readonly DoorRig _disabled;

    public WebhookEndpointTests()
    {
        // The receiver needs the door's Core, the door the receiver's endpoints: both over one store.
        var store = new DoorRig();
        var receiver = new WebhookReceiver(
            [
                Hook("issues", WebhookKind.GitHub) with { MostBytes = 1000, ReplayWindow = TimeSpan.Zero },
                Hook("grid", WebhookKind.CloudEvents),
            ],
            store.Core,
            NullLogger<WebhookReceiver>.Instance);
        Store = store;
        _rig = new(null, new WebhookEndpoints(receiver, new("https://runs.example.com/")));
        _disabled = new(null, new WebhookEndpoints(
            new([Hook("issues", WebhookKind.GitHub) with { Enabled = false }], store.Core, NullLogger<WebhookReceiver>.Instance), null));
    }

    private DoorRig Store { get; }

    [Fact]
    public async Task A_signed_delivery_needs_no_key_and_is_told_where_its_run_is()
    {
        var answer = await _rig.SendAsync("POST", Address, Body, key: null, Sign);

        Assert.Equal(202, answer.Status);
        Assert.Equal($"https://runs.example.com/api/v1/agent/runs/{answer.Json.GetProperty("run_id").GetString()}", answer.Json.GetProperty("status_url").GetString());
        Assert.Equal(answer.Json.GetProperty("status_url").GetString(), answer.Headers.Location);
    }

    [Fact]
    public async Task A_page_of_another_origin_and_a_rebound_host_name_start_nothing_even_when_they_sign()
    {
        Assert.Equal(403, (await _rig.SendAsync("POST", Address, Body, key: null, request => Sign(request, header => request.Headers.Origin = "https://evil.example.com"))).Status);
        Assert.Equal(403, (await _rig.SendAsync("POST", Address, Body, key: null, request => Sign(request, header => request.Host = new("evil.example.com")))).Status);
        Assert.Empty(Store.Blobs.Names);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_over_the_webhooks_own_limit_is_413_whether_or_not_its_length_is_told(bool told)
    {
        var body = new string('x', 1001);

        var answer = await _rig.SendAsync("POST", Address, body, key: null, request => request.ContentLength = told ? body.Length : null);

        Assert.Equal(413, answer.Status);
        Assert.Empty(Store.Blobs.Names);
    }

    [Fact]
    public async Task A_name_that_nobody_listens_to_is_404_without_reading_its_body()
    {
        var answer = await _rig.SendAsync("POST", "/api/v1/webhooks/other", "{}", key: null, request => request.Body = new Unreadable());

        Assert.Equal(404, answer.Status);
    }

    [Fact]
    public async Task The_CloudEvents_handshake_is_answered_and_other_methods_are_not()
    {
        var consent = await _rig.SendAsync("OPTIONS", "/api/v1/webhooks/grid", key: null, change: request => request.Headers["WebHook-Request-Origin"] = "eventgrid.azure.net");

        Assert.Equal((200, "eventgrid.azure.net"), (consent.Status, consent.Headers["WebHook-Allowed-Origin"].ToString()));
        Assert.Equal(401, (await _rig.SendAsync("GET", Address, key: null)).Status);
        Assert.Equal(405, (await _rig.SendAsync("GET", Address)).Status);
    }

    [Fact]
    public async Task What_came_in_is_listed_shown_and_taken_in_again_with_a_key()
    {
        await _rig.SendAsync("POST", Address, Body, key: null, Sign);
        await _rig.SendAsync("POST", Address, Body, key: null, request => Sign(request, header => request.Headers["X-GitHub-Delivery"] = "a/../b"));
        const string One = "/api/v1/webhook-deliveries/issues/d-1";

        var webhooks = (await _rig.GetAsync("/api/v1/webhooks", DoorRig.ReadKey)).Is(200).Json.GetProperty("webhooks");
        var list = (await _rig.GetAsync("/api/v1/webhook-deliveries", DoorRig.ReadKey)).Is(200).Json.GetProperty("deliveries");
        var none = (await _rig.GetAsync("/api/v1/webhook-deliveries?webhook=issues&result=filtered")).Is(200).Json.GetProperty("deliveries");
        var newest = (await _rig.GetAsync("/api/v1/webhook-deliveries?webhook=issues&limit=1")).Is(200).Json.GetProperty("deliveries");
        var one = (await _rig.GetAsync(One)).Is(200).Json;
        var odd = (await _rig.GetAsync("/api/v1/webhook-deliveries/issues/a%2F..%2Fb")).Is(200).Json;
        var again = (await _rig.SendAsync("POST", One + "/redeliver", key: DoorRig.SubmitKey)).Is(200).Json;
        var other = (await _rig.PostAsync(One + "/redeliver", """{"new_run":true}""", DoorRig.SubmitKey)).Is(202).Json;

        Assert.Equal(["issues https://runs.example.com/api/v1/webhooks/issues accepted", "grid https://runs.example.com/api/v1/webhooks/grid -"], webhooks.EnumerateArray().Select(hook =>
            $"{hook.GetProperty("name")} {hook.GetProperty("address")} {(hook.TryGetProperty("last_result", out var result) ? result.GetString() : "-")}"));
        Assert.Equal(["a/../b", "d-1"], list.EnumerateArray().Select(delivery => delivery.GetProperty("id").GetString()!).Order());
        Assert.All(list.EnumerateArray(), delivery => Assert.False(delivery.TryGetProperty("payload", out _)));
        Assert.Equal((0, 1), (none.GetArrayLength(), newest.GetArrayLength()));
        Assert.Equal((1, "a/../b"), (one.GetProperty("payload").GetProperty("issue").GetProperty("number").GetInt32(), odd.GetProperty("id").GetString()));
        Assert.Equal((one.GetProperty("run_id").GetString(), false), (again.GetProperty("run_id").GetString(), again.GetProperty("created").GetBoolean()));
        Assert.True(other.GetProperty("created").GetBoolean());

        async Task<string?> KeyedAsync(string key, int status) =>
            (await _rig.SendAsync("POST", One + "/redeliver", """{"new_run":true}""", change: request => request.Headers["Idempotency-Key"] = key)).Is(status).Json.GetProperty("run_id").GetString();
        var keyed = await KeyedAsync("k", 202);
        Assert.Equal(keyed, await KeyedAsync("k", 200));
        Assert.NotEqual(keyed, await KeyedAsync("other", 202));
        Assert.NotEqual(one.GetProperty("run_id").GetString(), other.GetProperty("run_id").GetString());
        Assert.Equal((other.GetProperty("run_id").GetString(), 3), ((await _rig.GetAsync(One)).Json.GetProperty("redelivered_as")[0].GetString(), (await _rig.GetAsync(One)).Json.GetProperty("redelivered_as").GetArrayLength()));
    }

    [Theory]
    [InlineData("GET", "/api/v1/webhook-deliveries?limit=0", DoorRig.Key, 400)]
    [InlineData("GET", "/api/v1/webhook-deliveries?result=lost", DoorRig.Key, 400)]
    [InlineData("GET", "/api/v1/webhook-deliveries", DoorRig.SubmitKey, 403)]
    [InlineData("GET", "/api/v1/webhook-deliveries/issues/nothing", DoorRig.Key, 404)]
    [InlineData("GET", "/api/v1/webhook-deliveries/..%2F..%2Fruns/x", DoorRig.Key, 404)]
    [InlineData("POST", "/api/v1/webhook-deliveries/issues/nothing/redeliver", DoorRig.Key, 404)]
    [InlineData("POST", "/api/v1/webhook-deliveries/issues/nothing/redeliver", DoorRig.ReadKey, 403)]
    public async Task Of_deliveries_only_what_is_there_is_answered_to_a_key_that_may(string method, string target, string key, int status) =>
        Assert.Equal(status, (await _rig.SendAsync(method, target, key: key)).Status);

    [Fact]
    public async Task A_webhook_that_was_disabled_since_takes_nothing_in_again_and_says_so()
    {
        await _rig.SendAsync("POST", Address, Body, key: null, Sign);
        var runs = Store.Blobs.Names.Count(name => name.StartsWith("runs/", StringComparison.Ordinal));

        var refused = (await _disabled.PostAsync("/api/v1/webhook-deliveries/issues/d-1/redeliver", """{"new_run":true}""")).Is(409);

        Assert.Equal("conflict", refused.Code);
        Assert.Contains("webhook 'issues' is disabled", refused.Text, StringComparison.Ordinal);
        Assert.Equal(runs, Store.Blobs.Names.Count(name => name.StartsWith("runs/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Deliveries_of_a_name_that_is_a_path_are_none()
    {
        await _rig.SendAsync("POST", Address, Body, key: null, Sign);

        Assert.Empty((await _rig.GetAsync("/api/v1/webhook-deliveries?webhook=..%2Fin%2Fissues")).Is(200).Json.GetProperty("deliveries").EnumerateArray());
    }

    private static WebhookOptions Hook(string name, WebhookKind kind) => new()
    {
        Name = name,
        Kind = kind,
        Secrets = [Secret],
        Request = RequestTemplate.Create(new() { Prompt = "p" }, new List<RequestFault>())!,
    };

    private static void Sign(HttpRequest request) => Sign(request, null);

    private static void Sign(HttpRequest request, Action<HttpRequest>? change)
    {
        request.Headers["X-Hub-Signature-256"] = "sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), Encoding.UTF8.GetBytes(Body)));
        request.Headers["X-GitHub-Event"] = "issues";
        request.Headers["X-GitHub-Delivery"] = "d-1";
        change?.Invoke(request);
    }

    private sealed class Unreadable : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new InvalidOperationException("The body was read.");
    }
}
