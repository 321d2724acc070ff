using OzFunctions.Configuration;
using OzFunctions.Events;

namespace OzFunctions.Cli.Tests.Configuration;

/// <summary>What the function app makes of the document that it shares with hosts; its own project, which not every feed can build, only puts it together.</summary>
public sealed class FunctionAppTests
{
    private const string Document = """
        worker_id: gpu
        lease: 5m
        public_url: https://ozf.example.com
        retention: { runs: 30d }
        limits: { max_queued: 7, queue_ttl: 2d }
        secrets: [{ name: TOKEN, env: A_RUNS_TOKEN }]
        backend: { direct: { agent_environment: [{ name: WARP_API_KEY, value: { env: AN_AGENTS_KEY } }] } }
        api_keys: [{ name: ci, scopes: [read], env: AN_API_KEY }]
        webhooks: [{ name: hook, kind: github, secret: { env: A_HOOK_SECRET }, request: { prompt: p } }]
        events:
          - { name: bus, topic: oz-events, connection: { env: A_BUS } }
          - { name: list, queue: their-events, connection: { env: AN_ACCOUNT } }
          - { name: post, url: 'https://hooks.example.com/', secret: { file: /nowhere/hook-secret }, timeout: 3s, kinds: [queued] }
          - { name: script, command: /bin/true, environment: [{ name: GITHUB_TOKEN, value: { env: A_GITHUB_TOKEN } }] }
        """;

    [Fact]
    public void It_needs_the_secrets_of_its_door_and_of_the_bus_and_none_that_only_hosts_have()
    {
        var configuration = Read(Document);

        var faults = SecretValues.Resolve(configuration, new Dictionary<string, string>()).FindFaultsOfFunctionApp(configuration);

        Assert.Equal(["api_keys.ci", "events.bus.connection", "webhooks.hook.secret"], faults.Select(fault => fault.Key).Order(StringComparer.Ordinal));
    }

    /// <summary>A host of the same document would not start for want of a connection that it never opens.</summary>
    [Fact]
    public void A_host_needs_everything_but_the_bus()
    {
        var configuration = Read(Document);

        var faults = SecretValues.Resolve(configuration, new Dictionary<string, string>()).FindFaultsOfHost(configuration);

        Assert.Equal(
            ["api_keys.ci", "backend.direct.agent_environment.WARP_API_KEY", "events.list.connection", "events.post.secret", "events.script.environment.GITHUB_TOKEN", "secrets.TOKEN", "webhooks.hook.secret"],
            faults.Select(fault => fault.Key).Order(StringComparer.Ordinal));
    }

    /// <summary>Each would be a secret that stands in the deployment for all to read: a key that opens the API, a signature that anybody can make.</summary>
    [Fact]
    public void References_to_a_vault_that_nobody_resolved_are_no_secrets()
    {
        const string Reference = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)";
        var configuration = Read(Document);
        var secrets = SecretValues.Resolve(
            configuration,
            new Dictionary<string, string> { ["AN_API_KEY"] = Reference, ["A_HOOK_SECRET"] = Reference, ["A_BUS"] = Reference, ["AN_AGENTS_KEY"] = Reference, ["A_RUNS_TOKEN"] = Reference });

        Assert.Equal(["api_keys.ci", "events.bus.connection", "webhooks.hook.secret"], secrets.FindFaultsOfFunctionApp(configuration).Select(fault => fault.Key).Order(StringComparer.Ordinal));
        Assert.Equal(
            ["api_keys.ci", "backend.direct.agent_environment.WARP_API_KEY", "secrets.TOKEN", "webhooks.hook.secret"],
            secrets.FindFaultsOfHost(configuration).Where(fault => fault.Rule.Contains("was not resolved", StringComparison.Ordinal)).Select(fault => fault.Key).Order(StringComparer.Ordinal));
        Assert.Contains("api_keys.ci: '{env: AN_API_KEY}': is a Key Vault reference that was not resolved", string.Join('\n', secrets.Faults), StringComparison.Ordinal);
        Assert.DoesNotContain("vault.azure.net", string.Join('\n', secrets.Faults), StringComparison.Ordinal);
    }

    [Fact]
    public void A_publisher_says_which_of_its_secrets_has_no_value_here()
    {
        var configuration = Read(Document);
        var secrets = SecretValues.Resolve(configuration, new Dictionary<string, string> { ["A_BUS"] = "Endpoint=sb://runs.servicebus.windows.net/", ["A_GITHUB_TOKEN"] = "ghp_0123456789abcdef" });

        Assert.Equal(
            [null, "{env: AN_ACCOUNT}", "{file: /nowhere/hook-secret}", null],
            configuration.Events.Select(sink => EventSetup.FindMissing(sink, secrets)?.ToString()));
    }

    [Fact]
    public void A_receiver_by_HTTP_has_what_its_entry_says()
    {
        using var place = new Testing.TempDirectory();
        const string Key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        File.WriteAllText(place["key"], Key);
        var configuration = Read(Document.Replace("/nowhere/hook-secret", place["key"], StringComparison.Ordinal));
        var sink = configuration.Events.Single(sink => sink.Name == "post");
        var secrets = SecretValues.Resolve(configuration, new Dictionary<string, string>());

        var options = EventSetup.HttpOptions(sink, secrets);

        Assert.Equal(("post", "https://hooks.example.com/", TimeSpan.FromSeconds(3), false), (options.Name, options.Url.ToString(), options.Timeout, options.AllowPrivate));
        Assert.Equal([Key], options.Secrets);
        Assert.Equal([RunEventKind.Queued], options.Kinds);
        Assert.Equal(TimeSpan.FromSeconds(15), EventSetup.HttpOptions(sink with { Timeout = null }, secrets).Timeout);
        Assert.Empty(EventSetup.FindSecretFaults(configuration.Events, secrets));
    }

    [Fact]
    public void A_signing_key_that_is_none_is_named_without_being_shown()
    {
        using var place = new Testing.TempDirectory();
        File.WriteAllText(place["key"], "hunter2-hunter2-hunter2");
        var configuration = Read(Document.Replace("/nowhere/hook-secret", place["key"], StringComparison.Ordinal));

        var fault = Assert.Single(EventSetup.FindSecretFaults(configuration.Events, SecretValues.Resolve(configuration, new Dictionary<string, string>())));

        Assert.StartsWith($"events.post.secret: {{file: {place["key"]}}}", fault, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault, StringComparison.Ordinal);
    }

    /// <summary>Both roots: what one of them left out would hold on hosts and not in the cloud.</summary>
    [Fact]
    public void Core_gets_everything_that_the_document_says_of_it()
    {
        var configuration = Read(Document);

        var options = CoreSetup.Create(configuration);

        Assert.Equal(("https://ozf.example.com/", "gpu", 7), (options.PublicUrl!.ToString(), options.Intake.DefaultWorkerId, options.Intake.MaxQueued));
        Assert.Equal((TimeSpan.FromMinutes(5), TimeSpan.FromDays(2), TimeSpan.FromDays(30)), (options.Tick.Lease, options.Tick.QueueTtl, options.Retention.Runs));
        Assert.Null(options.WorkerId);
        Assert.Equal("local", CoreSetup.Create(new()).Intake.DefaultWorkerId);
    }

    private static OzfConfiguration Read(string document)
    {
        var read = ConfigurationReader.Read(document);
        Assert.Empty(read.Faults);
        return read.Configuration!;
    }
}
