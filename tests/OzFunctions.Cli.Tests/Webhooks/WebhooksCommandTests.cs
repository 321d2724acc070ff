using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Webhooks;
using OzFunctions.Configuration;
using OzFunctions.Webhooks;

namespace OzFunctions.Cli.Tests.Webhooks;

public sealed class WebhooksCommandTests : IDisposable
{
    private const string Secret = "a secret for tests";
    private const string Labeled = """{"action":"labeled","label":{"name":"oz"},"issue":{"number":7,"title":"Login fails","author_association":"MEMBER"},"sender":{"login":"bob","type":"User"}}""";

    private readonly OzfRig _rig = new();

    public WebhooksCommandTests()
    {
        _rig.Environment["HOOK"] = Secret;
        _rig.Environment["OZF_CONFIG"] = _rig.Write("ozf.yaml", Configuration("oz"));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Webhooks_are_listed_with_their_addresses_and_last_delivery()
    {
        await DeliverAsync("d-1");

        var table = (await _rig.RunAsync("webhooks", "list")).Ends(0).Output;
        Assert.Contains("https://runs.example.com/api/v1/webhooks/issues", table, StringComparison.Ordinal);
        var json = (await _rig.RunAsync("webhooks", "list", "--output", "json")).Ends(0).Json.GetProperty("webhooks")[0];
        Assert.Equal(("issues", "github", true, "accepted"), (json.GetProperty("name").GetString(), json.GetProperty("kind").GetString(), json.GetProperty("enabled").GetBoolean(), json.GetProperty("last_result").GetString()));
    }

    [Fact]
    public async Task Deliveries_are_listed_with_run_or_reason_and_one_is_shown_with_its_payload()
    {
        await DeliverAsync("d-1");
        await DeliverAsync("d-2", Labeled.Replace("\"oz\"", "\"bug\"", StringComparison.Ordinal));

        var deliveries = (await _rig.RunAsync("webhooks", "deliveries", "issues", "--output", "json")).Ends(0).Json.GetProperty("deliveries");
        Assert.Equal(["d-1", "d-2"], deliveries.EnumerateArray().Select(delivery => delivery.GetProperty("id").GetString()!).Order());
        Assert.All(deliveries.EnumerateArray(), delivery => Assert.False(delivery.TryGetProperty("payload", out _)));
        Assert.Contains("label 'bug' is not one of labels", (await _rig.RunAsync("webhooks", "deliveries", "--result", "filtered")).Ends(0).Output, StringComparison.Ordinal);
        var one = (await _rig.RunAsync("webhooks", "deliveries", "issues", "d-2")).Ends(0).Output;
        Assert.Contains("Event     issues.labeled, by bob", one, StringComparison.Ordinal);
        Assert.Contains("\"title\": \"Login fails\"", one, StringComparison.Ordinal);
        Assert.Contains("must be from 1 to 1000", (await _rig.RunAsync("webhooks", "deliveries", "--limit", "2000")).Ends(64).Error, StringComparison.Ordinal);
        Assert.Contains("kept for 14 days", (await _rig.RunAsync("webhooks", "deliveries", "issues", "d-9")).Ends(64).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_filtered_delivery_is_redelivered_once_the_configuration_wants_it()
    {
        await DeliverAsync("d-1", Labeled.Replace("\"oz\"", "\"bug\"", StringComparison.Ordinal));
        Assert.Contains("label 'bug' is not one of labels", (await _rig.RunAsync("webhooks", "redeliver", "issues", "d-1")).Ends(1).Error, StringComparison.Ordinal);
        _rig.Write("ozf.yaml", Configuration("bug"));
        _rig.Environment.Remove("HOOK");

        var first = (await _rig.RunAsync("webhooks", "redeliver", "issues", "d-1")).Ends(0).Line;
        Assert.Contains($"has run {first} already; --new-run", (await _rig.RunAsync("webhooks", "redeliver", "issues", "d-1")).Ends(64).Error, StringComparison.Ordinal);
        var second = (await _rig.RunAsync("webhooks", "redeliver", "issues", "d-1", "--new-run", "--output", "json")).Ends(0).Json.GetProperty("run_id").GetString();

        Assert.NotEqual(first, second);
        Assert.Equal("Login fails", (await _rig.RunAsync("runs", "get", first, "--output", "json")).Ends(0).Json.GetProperty("request").GetProperty("title").GetString());
    }

    [Fact]
    public async Task A_disabled_webhook_redelivers_nothing_and_says_why()
    {
        await DeliverAsync("d-1");
        _rig.Write("ozf.yaml", Configuration("oz", enabled: false));

        var refused = (await _rig.RunAsync("webhooks", "redeliver", "issues", "d-1", "--new-run")).Ends(64);

        Assert.Contains("webhook 'issues' is disabled", refused.Error, StringComparison.Ordinal);
        Assert.Single((await _rig.RunAsync("runs", "list", "--output", "json")).Json.GetProperty("runs").EnumerateArray());
    }

    private static string Configuration(string label, bool enabled = true) => $$$"""
        public_url: https://runs.example.com
        webhooks:
          - name: issues
            kind: github
            secret: {env: HOOK}
            enabled: {{{(enabled ? "true" : "false")}}}
            labels: [{{{label}}}]
            request: {prompt: "Fix {{issue.number}}", title: "{{issue.title}}"}
        """;

    private async Task DeliverAsync(string id, string body = Labeled)
    {
        var surroundings = new Surroundings { Out = TextWriter.Null, Error = TextWriter.Null, In = () => Stream.Null, Environment = _rig.Environment, Directory = _rig.Place };
        var settings = Settings.Load(null, new(), null, surroundings);
        await using var store = LocalStore.Open(settings, surroundings, new LineLoggers(surroundings, Microsoft.Extensions.Logging.LogLevel.None, LogFormat.Text, text => text));
        var receiver = new WebhookReceiver(WebhookSetup.Create(settings.Configuration.Webhooks, settings.Secrets), store.Core, NullLogger<WebhookReceiver>.Instance);
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), Encoding.UTF8.GetBytes(body)));
        var answer = await receiver.ReceiveAsync(
            "issues",
            new()
            {
                Method = "POST",
                Headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["X-Hub-Signature-256"] = "sha256=" + signature, ["X-GitHub-Event"] = "issues", ["X-GitHub-Delivery"] = id },
                Body = Encoding.UTF8.GetBytes(body),
            },
            "",
            Cancellation);
        Assert.True(answer.Status < 300, $"{answer.Status}");
    }
}
