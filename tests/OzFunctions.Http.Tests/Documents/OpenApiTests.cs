using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Http.Health;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Webhooks;
using OzFunctions.Keys;
using OzFunctions.Webhooks;

namespace OzFunctions.Http.Tests.Documents;

/// <summary>The OpenAPI document says what the routes do. A route without its operation fails here: add it to src/OzFunctions.Http/Documents/openapi.json.</summary>
public sealed class OpenApiTests
{
    private static readonly string[] Methods = ["get", "put", "post", "delete", "patch", "options"];

    private static readonly (string Name, string Key)[] Scopes =
        [("submit", DoorRig.SubmitKey), ("read", DoorRig.ReadKey), ("cancel", DoorRig.CancelKey), ("admin", DoorRig.AdminKey)];

    private readonly DoorRig _rig = new();

    [Fact]
    public async Task Every_route_has_its_operation_and_every_operation_its_route()
    {
        var document = await ReadAsync();
        var described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Where(operation => Methods.Contains(operation.Name)).Select(operation => $"{operation.Name.ToUpperInvariant()} {path.Name}"));
        var routes = Routes.Where(route => route.Access.Kind != AccessKind.Page).Select(route => $"{route.Method} {route.Pattern.Replace("{*", "{", StringComparison.Ordinal)}");

        Assert.Equal(routes.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Every_operation_is_whole()
    {
        var document = await ReadAsync();
        var ids = new HashSet<string>();
        foreach (var (path, method, operation) in Operations(document))
        {
            var name = $"{method} {path}";
            Assert.True(ids.Add(operation.GetProperty("operationId").GetString()!), $"{name}: its operationId is taken");
            Assert.NotEmpty(operation.GetProperty("summary").GetString()!);
            var named = operation.TryGetProperty("parameters", out var parameters)
                ? parameters.EnumerateArray().Where(parameter => parameter.GetProperty("in").GetString() == "path").Select(parameter => parameter.GetProperty("name").GetString()!).Order()
                : Enumerable.Empty<string>().Order();
            Assert.Equal(path.Split('/').Where(segment => segment.StartsWith('{')).Select(segment => segment[1..^1]).Order(), named);
            var route = Routes.Single(route => route.Method.Equals(method, StringComparison.OrdinalIgnoreCase) && route.Pattern.Replace("{*", "{", StringComparison.Ordinal) == path);
            if (route.Access.Kind == AccessKind.Key)
            {
                Assert.True(operation.GetProperty("responses").TryGetProperty("401", out _), $"{name}: 401 is missing");
                Assert.Contains($"`{route.Access.Scope.ToString().ToLowerInvariant()}`", operation.GetProperty("description").GetString(), StringComparison.Ordinal);
            }
        }

        foreach (var reference in References(document))
        {
            var at = document;
            foreach (var step in reference[2..].Split('/'))
            {
                Assert.True(at.TryGetProperty(step, out at), $"{reference} leads nowhere");
            }
        }
    }

    [Fact]
    public async Task A_key_of_each_scope_opens_what_the_document_says_and_nothing_else()
    {
        var forAdministrators = new List<string>();
        foreach (var (path, method, operation) in Operations(await ReadAsync()))
        {
            var description = operation.GetProperty("description").GetString()!;
            if (Scopes.FirstOrDefault(scope => description.Contains($"a key with the scope `{scope.Name}`", StringComparison.Ordinal)) is not ({ } needed, _))
            {
                Assert.Contains(path.Split('/')[^1], (string[])["healthz", "readyz", "{name}"]);
                continue;
            }

            var rig = new DoorRig(null, [.. Added]);
            var target = string.Join('/', path.Split('/').Select(segment => segment.StartsWith('{') ? "x" : segment));
            Task<DoorAnswer> AskAsync(string? key) => rig.SendAsync(method.ToUpperInvariant(), target, method is "post" or "put" ? "{}" : null, key);
            (await AskAsync(null)).Is(401);
            foreach (var (scope, key) in Scopes.Where(scope => scope.Name != needed && scope.Name != "admin"))
            {
                var refused = await AskAsync(key);
                Assert.True(refused.Status == 403, $"{method} {path} with '{scope}': {refused.Status}");
                Assert.Equal("not_authorized", refused.Code);
                Assert.Contains($"the scope '{needed}'", refused.Text, StringComparison.Ordinal);
            }

            Assert.Empty(rig.Blobs.Names);
            foreach (var (scope, key) in Scopes.Where(scope => scope.Name == needed || scope.Name == "admin"))
            {
                Assert.True((await AskAsync(key)).Status is not (401 or 403), $"{method} {path} with '{scope}'");
            }

            if (needed == "admin")
            {
                forAdministrators.Add($"{method} {path["/api/v1/".Length..]}");
            }
        }

        Assert.Equal(
            [
                "delete agent/schedules/{id}", "delete dead-letters/{id}", "post agent/runs/cancel", "post agent/schedules", "post agent/schedules/{id}/pause",
                "post agent/schedules/{id}/resume", "post dead-letters/{id}/requeue", "post workers/{worker_id}/pause", "post workers/{worker_id}/resume", "put agent/schedules/{id}",
            ],
            forAdministrators.Order(StringComparer.Ordinal));
    }

    /// <summary>The rig holds every other answer of these tests against the document; here is what they do not come by.</summary>
    [Theory]
    [InlineData("POST", "/api/v1/agent/schedules", 415)]
    [InlineData("PUT", "/api/v1/agent/schedules/x", 415)]
    [InlineData("POST", "/api/v1/agent/schedules/x/run", 415)]
    [InlineData("POST", "/api/v1/agent/runs", 415)]
    [InlineData("POST", "/api/v1/agent/runs/cancel", 415)]
    [InlineData("POST", "/api/v1/agent/runs/01980000-0000-7000-8000-000000000000/cancel", 415)]
    [InlineData("POST", "/api/v1/agent/runs", 413)]
    [InlineData("POST", "/api/v1/agent/schedules", 413)]
    [InlineData("PUT", "/api/v1/agent/schedules/x", 413)]
    [InlineData("POST", "/api/v1/agent/schedules/x/run", 413)]
    [InlineData("POST", "/api/v1/agent/runs/cancel", 413)]
    [InlineData("GET", "/api/v1/dead-letters?limit=0", 400)]
    [InlineData("POST", "/api/v1/workers/warp-1/resume", 400)]
    [InlineData("POST", "/api/v1/webhooks/x", 403)]
    [InlineData("OPTIONS", "/api/v1/webhooks/x", 403)]
    public async Task What_is_refused_before_it_is_looked_at_is_described_too(string method, string target, int status)
    {
        var rig = new DoorRig(null, [.. Added]);

        (await rig.SendAsync(method, target, method is "POST" or "PUT" ? "{}" : null, change: request =>
        {
            switch (status)
            {
                case 403:
                    request.Host = new("evil.example");
                    break;
                case 413:
                    request.ContentLength = 2_000_000;
                    break;
                case 415:
                    request.ContentType = "text/plain";
                    break;
            }
        })).Is(status);
    }

    [Fact]
    public void A_status_that_the_document_does_not_name_is_found()
    {
        Assert.Equal("POST /api/v1/agent/runs/{run_id}/retry answers 418, which is not described", DescribedAnswers.FindMissing(_rig.Door.Routes, "POST", "/api/v1/agent/runs/1/retry", 418));
        Assert.Null(DescribedAnswers.FindMissing(_rig.Door.Routes, "HEAD", "/api/v1/agent/runs/1/artifacts/a/b?attempt=2", 416));
    }

    [Fact]
    public async Task Answers_have_the_members_that_the_document_names()
    {
        var document = await ReadAsync();
        var accepted = await _rig.PostAsync("/api/v1/agent/runs", """{"prompt":"p","title":"t","config":{"model_id":"m","harness":{"type":"claude"}},"conversation_id":"c","skill":"a/b:c"}""");
        var id = accepted.Json.GetProperty("run_id").GetString()!;
        await _rig.StartAsync(id);
        await _rig.KeepAsync(id, 1, ("a.txt", "x", "text/plain"));
        await _rig.PostAsync($"/api/v1/agent/runs/{id}/cancel", """{"reason":"r"}""");
        await _rig.FinishAsync(id, OzFunctions.Runs.RunReason.HostLost);
        var run = await _rig.GetAsync($"/api/v1/agent/runs/{id}");
        var manifest = await _rig.GetAsync($"/api/v1/agent/runs/{id}/artifacts");

        Check(document, "Accepted", accepted.Json);
        Check(document, "Run", run.Json);
        Check(document, "Run", (await _rig.GetAsync("/api/v1/agent/runs")).Json.GetProperty("runs")[0]);
        Check(document, "Artifact", manifest.Json.GetProperty("artifacts")[0]);
        Check(document, "Artifact", manifest.Json.GetProperty("artifacts")[1]);
        Check(document, "Problem", (await _rig.PostAsync("/api/v1/agent/runs", "{}")).Is(400).Json);
        Check(document, "WorkerSwitch", (await _rig.SendAsync("POST", "/api/v1/workers/w/pause")).Json);
        Check(document, "Schedule", (await _rig.PostAsync("/api/v1/agent/schedules", """{"name":"n","cron_schedule":"@daily","prompt":"p"}""")).Is(201).Json);
        Check(document, "Worker", (await _rig.GetAsync("/api/v1/workers")).Json.GetProperty("workers")[0]);
    }

    /// <summary>Those of the door itself, and of what a composition root adds to it.</summary>
    private IEnumerable<Route> Routes => _rig.Door.Routes.Concat(Added.SelectMany(endpoints => endpoints.Routes));

    private IEnumerable<IEndpoints> Added =>
    [
        new WebhookEndpoints(new([], _rig.Core, NullLogger<WebhookReceiver>.Instance), null),
        new StatusEndpoints(new() { NotReady = () => [], Metrics = () => "" }, Access.Key(KeyScopes.Read)),
    ];

    private async Task<JsonElement> ReadAsync() => (await _rig.GetAsync("/api/v1/openapi.json")).Is(200).Json;

    private static IEnumerable<(string Path, string Method, JsonElement Operation)> Operations(JsonElement document) =>
        document.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(operation => (path.Name, operation.Name, operation.Value)));

    private static IEnumerable<string> References(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(property => property.Name == "$ref" ? [property.Value.GetString()!] : References(property.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(References),
        _ => [],
    };

    private static void Check(JsonElement document, string schema, JsonElement answer)
    {
        var described = document.GetProperty("components").GetProperty("schemas").GetProperty(schema);
        var members = answer.EnumerateObject().Select(property => property.Name).ToList();
        Assert.Empty(members.Except(described.GetProperty("properties").EnumerateObject().Select(property => property.Name)));
        Assert.Empty(described.GetProperty("required").EnumerateArray().Select(name => name.GetString()!).Except(members));
    }
}
