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

    public WebhookEndpointTests()
    {
        // The receiver needs the door's Core, the door the receiver's endpoints: both over one store.
        var store = new DoorRig();
        var receiver = new WebhookReceiver(
            [
                Hook("issues", WebhookKind.GitHub) with { MostBytes = 1000 },
                Hook("grid", WebhookKind.CloudEvents),
            ],
            store.Core,
            NullLogger<WebhookReceiver>.Instance);
        Store = store;
        _rig = new(null, new WebhookEndpoints(receiver, new("https://runs.example.com/")));
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
