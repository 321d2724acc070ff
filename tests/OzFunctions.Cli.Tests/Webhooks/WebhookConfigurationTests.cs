using OzFunctions.Configuration;
using OzFunctions.Webhooks;

namespace OzFunctions.Cli.Tests.Webhooks;

public sealed class WebhookConfigurationTests
{
    [Fact]
    public void Every_key_of_a_webhook_is_read_and_shown()
    {
        var read = ConfigurationReader.Read(
            """
            webhooks:
              - name: issues
                kind: github
                secrets: [{env: NEW}, {file: /run/old}]
                max_body: 2MiB
                events: [issues.labeled, issue_comment]
                actions: [labeled, created]
                labels: [oz]
                senders: [ann]
                bots: ["dependabot[bot]"]
                associations: [OWNER]
                required: [issue.number]
                where: {issue.state: open, repository.full_name: [acme/shop, acme/site]}
                contains: {comment.body: "@oz"}
                max_queued: 20
                enabled: false
                request:
                  prompt: "Fix {{issue.title|limit:200}}"
                  model: m
              - {name: generic, kind: hmac, secret: {env: A}, header: X-Sig, id_header: X-Id, event_header: X-Event, replay_window: 0s, request: {prompt: p}}
              - {name: grid, kind: cloudevents, secret: {env: A}, header: X-Token, origins: [eventgrid.azure.net, example.com], request: {prompt: p}}
              - {name: linear, kind: linear, secret: {env: A}, tolerance: 2m, outsiders: true, request: {prompt: p}}
            """);

        Assert.Empty(read.Faults);
        var hooks = read.Configuration!.Webhooks;
        var issues = hooks[0];
        Assert.Equal((WebhookKind.GitHub, 2 << 20, 20, false), (issues.Kind, issues.MaxBody, issues.MaxQueued, issues.Enabled));
        Assert.Equal([SecretSource.FromEnv("NEW"), SecretSource.FromFile("/run/old")], issues.Secrets);
        Assert.Equal(["OWNER"], issues.Filter.Associations);
        Assert.Equal(["issue.state", "repository.full_name"], issues.Filter.Where.Select(rule => rule.Path.ToString()));
        Assert.Equal(["acme/shop", "acme/site"], issues.Filter.Where[1].Texts);
        Assert.Equal("@oz", Assert.Single(Assert.Single(issues.Filter.Contains).Texts));
        Assert.Equal(("X-Sig", "X-Id", "X-Event", TimeSpan.Zero), (hooks[1].Header, hooks[1].IdHeader, hooks[1].EventHeader, hooks[1].ReplayWindow));
        Assert.Equal(["eventgrid.azure.net", "example.com"], hooks[2].Origins!);
        Assert.Equal((TimeSpan.FromMinutes(2), true), (hooks[3].Tolerance, hooks[3].Filter.Outsiders));

        var shown = ConfigurationText.Show(read.Configuration);
        Assert.Contains("secrets: [{env: NEW}, {file: /run/old}]", shown, StringComparison.Ordinal);
        Assert.Empty(ConfigurationReader.Read(shown).Faults);
        Assert.Equal(WithoutOrigins(shown), WithoutOrigins(ConfigurationText.Show(ConfigurationReader.Read(shown).Configuration!)));
    }

    [Theory]
    [InlineData("{name: a, kind: github, request: {prompt: p}}", "secret", "anybody could start runs")]
    [InlineData("{name: a, kind: github, secret: {env: X}, secrets: [{env: Y}], request: {prompt: p}}", "secret", "not both")]
    [InlineData("{name: a, kind: github, secrets: [], request: {prompt: p}}", "secrets", "give at least one secret")]
    [InlineData("{name: a, kind: github, secrets: [hunter2], request: {prompt: p}}", "secrets[0]", "a literal is refused")]
    [InlineData("{name: a, kind: gihub, secret: {env: X}, request: {prompt: p}}", "kind", "did you mean 'github'?")]
    [InlineData("{name: a, kind: token, secret: {env: X}, senders: [ann], request: {prompt: p}}", "senders", "look into the payload with where")]
    [InlineData("{name: a, kind: github, secret: {env: X}, tolerance: 5m, request: {prompt: p}}", "tolerance", "means nothing for kind github")]
    [InlineData("{name: a, kind: slack, secret: {env: X}, tolerance: 2h, request: {prompt: p}}", "tolerance", "from 5s to 1h")]
    [InlineData("{name: a, kind: token, secret: {env: X}, replay_window: 1h, request: {prompt: p}}", "replay_window", "only for github, linear, hmac")]
    [InlineData("{name: a, kind: github, secret: {env: X}, replay_window: 15d, request: {prompt: p}}", "replay_window", "from 0s to 14d")]
    [InlineData("{name: a, kind: slack, secret: {env: X}, associations: [OWNER], request: {prompt: p}}", "associations", "only for github")]
    [InlineData("{name: a, kind: token, secret: {env: X}, header: 'X Y', request: {prompt: p}}", "header", "name of an HTTP header")]
    [InlineData("{name: a, kind: github, secret: {env: X}, max_body: 1GiB, request: {prompt: p}}", "max_body", "at most 25MiB")]
    [InlineData("{name: a, kind: github, secret: {env: X}, required: ['a b'], request: {prompt: p}}", "required", "must be a path")]
    [InlineData("{name: a, kind: github, secret: {env: X}, where: {'a b': x}, request: {prompt: p}}", "where", "must be a path")]
    [InlineData("{name: a, kind: github, secret: {env: X}, where: {a: []}, request: {prompt: p}}", "where.a", "must be a text")]
    [InlineData("{name: a, kind: github, secret: {env: X}, contains: '@oz', request: {prompt: p}}", "contains", "must be a mapping of paths")]
    [InlineData("{name: a, kind: github, secret: {env: X}}", "request", "is missing")]
    [InlineData("{name: a, kind: github, secret: {env: X}, request: {prompt: '{{a|shout}}'}}", "request.prompt", "{{path|limit:4000}}")]
    [InlineData("{name: a, kind: github, secret: {env: X}, request: {prompt: p, model: '{{a}}'}}", "request.model", "must not hold a template")]
    [InlineData("{name: a, kind: github, secret: {env: X}, request: {prompt: p, worker_id: '{{a}}'}}", "request.worker_id", "must not hold a template")]
    [InlineData("{name: a, kind: github, secret: {env: X}, request: {prompt: p, timeout: '{{a}}'}}", "request.timeout", "must not hold a template")]
    [InlineData("{name: a, kind: github, secret: {env: X}, request: {prompt: p, idempotency_key: k}}", "request.idempotency_key", "same for every delivery")]
    public void A_fault_names_key_rule_and_way_out(string webhook, string key, string rule)
    {
        var fault = Assert.Single(ConfigurationReader.Read($"webhooks:\n  - {webhook}\n").Faults);

        Assert.Equal(("webhooks[0]." + key, 2), (fault.Key, fault.Line));
        Assert.Contains(rule, fault.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_of_Standard_Webhooks_that_is_no_key_is_refused_at_start()
    {
        var configuration = ConfigurationReader.Read("webhooks: [{name: a, secrets: [{env: GOOD}, {env: BAD}], request: {prompt: p}}]").Configuration!;

        var faults = SecretValues.Resolve(configuration, new Dictionary<string, string> { ["GOOD"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ["BAD"] = "not base64 at all" }).Faults;

        var fault = Assert.Single(faults);
        Assert.Equal("webhooks.a.secret", fault.Key);
        Assert.Contains("openssl rand -base64 32", fault.Rule, StringComparison.Ordinal);
        Assert.DoesNotContain("not base64 at all", fault.ToString(), StringComparison.Ordinal);
    }

    private static string WithoutOrigins(string yaml) => yaml.Replace("  # default", "", StringComparison.Ordinal).Replace("  # file", "", StringComparison.Ordinal);
}
