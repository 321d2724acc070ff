using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Http.Health;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Serving;
using OzFunctions.Keys;

namespace OzFunctions.Http.Tests;

public sealed class FrontDoorTests
{
    private static readonly IEndpoints Echo = new EchoEndpoints();

    [Fact]
    public async Task Health_is_open_to_anybody_by_any_name()
    {
        var answer = await new DoorRig().SendAsync("GET", "/healthz", key: null, change: request => request.Host = new("10.1.2.3:80"));

        answer.Is(200);
        Assert.Equal("ok", answer.Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task Figures_need_a_key_where_data_is_served()
    {
        var status = new HostStatus { NotReady = () => ["It is starting."], Metrics = () => "oz_worker_connected 1\n" };
        var rig = new DoorRig(null, new StatusEndpoints(status, Access.Key(KeyScopes.Read)));

        (await rig.GetAsync("/metrics", key: null)).Is(401);
        (await rig.GetAsync("/metrics", DoorRig.ReadKey)).Is(200);
        (await rig.GetAsync("/readyz", key: null)).Is(503);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("wrong-key-of-a-good-length")]
    [InlineData("")]
    public async Task Without_a_known_key_nothing_is_said(string? key)
    {
        var rig = new DoorRig(null, Echo);

        foreach (var path in new[] { "/api/v1/echo", "/api/v1/nothing", "/api/v1/agent/runs" })
        {
            var answer = (await rig.GetAsync(path, key)).Is(401);

            Assert.Equal("authentication_required", answer.Code);
            Assert.Equal("application/problem+json", answer.Headers.ContentType);
            Assert.Equal("Bearer", answer.Headers.WWWAuthenticate);
        }
    }

    [Fact]
    public async Task A_key_does_what_its_scopes_say()
    {
        var rig = new DoorRig(null, Echo);

        Assert.Equal("not_authorized", (await rig.PostAsync("/api/v1/echo", "{}", DoorRig.ReadKey)).Is(403).Code);
        (await rig.GetAsync("/api/v1/echo", DoorRig.ReadKey)).Is(200);
        (await rig.PostAsync("/api/v1/echo", "{}", DoorRig.SubmitKey)).Is(200);
    }

    [Theory]
    [InlineData("evil.example")]
    [InlineData("evil.example:7007")]
    [InlineData("127.0.0.1.evil.example")]
    [InlineData("192.168.1.7")]
    [InlineData("")]
    public async Task A_rebound_host_name_gets_nothing(string host) =>
        (await new DoorRig(null, Echo).SendAsync("GET", "/api/v1/echo", change: request => request.Headers.Host = host)).Is(403);

    [Theory]
    [InlineData("localhost:7007")]
    [InlineData("LOCALHOST")]
    [InlineData("[::1]:7007")]
    [InlineData("runs.example.com")]
    public async Task Known_host_names_are_answered(string host) =>
        (await new DoorRig(new() { Keys = [], PublicUrl = new("https://runs.example.com") }, Echo).SendAsync("GET", "/api/v1/echo", change: request => request.Headers.Host = host)).Is(200);

    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("null")]
    [InlineData("http://127.0.0.1:8080")]
    [InlineData("https://127.0.0.1:7007")]
    public async Task A_page_on_another_origin_gets_nothing(string origin)
    {
        var rig = new DoorRig(null, Echo);

        (await rig.SendAsync("POST", "/api/v1/echo", "{}", change: request => request.Headers.Origin = origin)).Is(403);
        (await rig.SendAsync("GET", "/api/v1/echo", change: request => request.Headers["Sec-Fetch-Site"] = "cross-site")).Is(403);
        var preflight = await rig.SendAsync("OPTIONS", "/api/v1/echo", key: null, change: request => request.Headers.Origin = origin);
        Assert.Equal(403, preflight.Status);
        Assert.False(preflight.Headers.ContainsKey("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task The_own_origin_is_answered() =>
        (await new DoorRig(null, Echo).SendAsync("POST", "/api/v1/echo", "{}", change: request => request.Headers.Origin = "http://127.0.0.1:7007")).Is(200);

    [Fact]
    public async Task Bodies_are_json_and_bounded()
    {
        var rig = new DoorRig(null, Echo);

        (await rig.SendAsync("POST", "/api/v1/echo", "{}", change: request => request.ContentType = "text/plain")).Is(415);
        (await rig.SendAsync("POST", "/api/v1/echo", "{}", change: request => request.ContentType = null)).Is(415);
        (await rig.PostAsync("/api/v1/echo", "[]")).Is(400);
        (await rig.PostAsync("/api/v1/echo", "{")).Is(400);
        (await rig.PostAsync("/api/v1/echo", $$"""{"a":"{{new string('x', 200)}}"}""")).Is(413);
        (await rig.SendAsync("POST", "/api/v1/echo", $$"""{"a":"{{new string('x', 200)}}"}""", change: request => request.ContentLength = null)).Is(413);
    }

    [Fact]
    public async Task What_is_not_there_is_said_with_the_way_out()
    {
        var rig = new DoorRig(null, Echo);

        Assert.Equal("resource_not_found", (await rig.GetAsync("/api/v1/nothing")).Is(404).Code);
        var answer = (await rig.SendAsync("DELETE", "/api/v1/echo")).Is(405);
        Assert.Equal("operation_not_supported", answer.Code);
        Assert.Equal("GET, POST", string.Join(", ", answer.Headers.Allow.ToString().Split(", ").Order()));
    }

    [Fact]
    public async Task A_fault_of_ours_shows_a_number_and_nothing_else()
    {
        var answer = (await new DoorRig(null, Echo).GetAsync("/api/v1/echo/broken")).Is(500);

        Assert.Equal("internal_error", answer.Code);
        Assert.Equal(32, answer.Json.GetProperty("trace_id").GetString()!.Length);
        Assert.True(answer.Json.GetProperty("retryable").GetBoolean());
        Assert.DoesNotContain("secret detail", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("EchoEndpoints", answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_encoded_slash_is_part_of_a_name()
    {
        var rig = new DoorRig(null, Echo);

        Assert.Equal("a/b", (await rig.GetAsync("/api/v1/echo/names/a%2Fb")).Is(200).Json.GetProperty("name").GetString());
        (await rig.GetAsync("/api/v1/echo/names/a/b")).Is(404);
    }

    [Fact]
    public async Task Kestrel_serves_it_on_a_free_port()
    {
        await using var server = new FrontDoorServer(new DoorRig().Door, new(System.Net.IPAddress.Loopback, 0), NullLoggerFactory.Instance);
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var client = new HttpClient();

        using var health = await client.GetAsync(new Uri(server.Address, "/healthz"), TestContext.Current.CancellationToken);
        using var locked = await client.GetAsync(new Uri(server.Address, "/api/v1/agent/runs"), TestContext.Current.CancellationToken);
        await server.StopAsync(TestContext.Current.CancellationToken);

        Assert.Equal(200, (int)health.StatusCode);
        Assert.Equal(401, (int)locked.StatusCode);
        Assert.False(health.Headers.Contains("Server"));
    }

    [Fact]
    public async Task A_port_in_use_is_an_io_exception()
    {
        await using var first = new FrontDoorServer(new DoorRig().Door, new(System.Net.IPAddress.Loopback, 0), NullLoggerFactory.Instance);
        await first.StartAsync(TestContext.Current.CancellationToken);
        await using var second = new FrontDoorServer(new DoorRig().Door, new(System.Net.IPAddress.Loopback, first.Address.Port), NullLoggerFactory.Instance);

        await Assert.ThrowsAsync<IOException>(() => second.StartAsync(TestContext.Current.CancellationToken));
        await first.StopAsync(TestContext.Current.CancellationToken);
    }

    private sealed class EchoEndpoints : IEndpoints
    {
        public IEnumerable<Route> Routes =>
        [
            new("GET", "/api/v1/echo", Access.Key(KeyScopes.Read), call => call.WriteJsonAsync(200, json => json.WriteStringValue(call.Key!.Name))),
            new("POST", "/api/v1/echo", Access.Key(KeyScopes.Submit), EchoAsync) { MostBytes = 100 },
            new("GET", "/api/v1/echo/broken", Access.Key(KeyScopes.Read), _ => throw new InvalidOperationException("secret detail")),
            new("GET", "/api/v1/echo/names/{name}", Access.Key(KeyScopes.Read), call => call.WriteJsonAsync(200, json =>
            {
                json.WriteStartObject();
                json.WriteString("name", call.Value("name"));
                json.WriteEndObject();
            })),
        ];

        private static async Task EchoAsync(ApiCall call)
        {
            var body = await call.ReadObjectAsync();
            await call.WriteJsonAsync(200, body.WriteTo);
        }
    }
}
