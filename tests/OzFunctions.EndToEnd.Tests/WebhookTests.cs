using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Deliveries over HTTP to a real <c>ozf up</c>: signed by the senders' own libraries, by the page's own curl commands, and doubled a thousand times.</summary>
public sealed partial class WebhookTests
{
    private const int Limit = 600_000;
    private const string GitHubSecret = "It's a Secret to Everybody";
    private const string BuildSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string Token = "a-token-of-the-tests";

    private const string Settings = """
        webhooks:
          - name: issues
            kind: github
            secret: { env: GITHUB_WEBHOOK_SECRET }
            labels: [oz-agent]
            request: { prompt: "Fix issue {{issue.number}}: {{issue.title}}", title: "{{issue.title}}" }
          - name: build
            kind: standard
            secret: { env: BUILD_SECRET }
            max_body: 2KiB
            request: { prompt: "The build {{data.build}} failed." }
          - name: grid
            kind: cloudevents
            secret: { env: GRID_TOKEN }
            request: { prompt: "{{type}}: {{data.order}}" }
        """;

    private static readonly Dictionary<string, string?> Secrets = new()
    {
        ["GITHUB_WEBHOOK_SECRET"] = GitHubSecret,
        ["BUILD_SECRET"] = BuildSecret,
        ["GRID_TOKEN"] = Token,
        ["SAY_TOKEN"] = Token,
        ["OZF_DATA"] = null,
        ["OZF_CONFIG"] = null,
        ["OZF_STORAGE"] = null,
        ["WARP_API_KEY"] = null,
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Deliveries_signed_by_the_senders_own_libraries_start_one_run_each()
    {
        await using var machine = new OneMachine("exit 0", Settings);
        await using var up = StartUp(machine, machine.Config);
        var url = await UrlOfAsync(up);

        var (exitCode, output, errors) = await TestPackages.RunAsync("webhooks.mjs", [url], Cancellation, Secrets);
        Assert.True(exitCode == 0, errors);

        var answers = output.Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToDictionary(line => line.GetProperty("what").GetString()!, line => line);
        int Status(string what) => answers[what].GetProperty("status").GetInt32();
        string RunOf(string what) => answers[what].GetProperty("answer").GetProperty("run_id").GetString()!;
        Assert.All(["octokit", "octokit, again", "standardwebhooks", "standardwebhooks, again", "cloudevents, structured", "cloudevents, binary"], what => Assert.Equal((what, 202), (what, Status(what))));
        Assert.All(
            ["octokit, tampered", "standardwebhooks, tampered", "standardwebhooks, stale", "standardwebhooks, future", "standardwebhooks, other id"],
            what => Assert.Equal((what, 401), (what, Status(what))));
        Assert.Equal(RunOf("octokit"), RunOf("octokit, again"));
        Assert.Equal(RunOf("octokit"), RunOf("octokit, recorded and sent under another id"));
        Assert.Equal(RunOf("standardwebhooks"), RunOf("standardwebhooks, again"));
        Assert.Equal(RunOf("cloudevents, structured"), RunOf("cloudevents, binary"));
        Assert.Equal(3, machine.Files("keys").Length);
        foreach (var what in new[] { "octokit", "standardwebhooks", "cloudevents, binary" })
        {
            Assert.Equal(RunState.Succeeded, (await machine.UntilTerminalAsync(RunId.Parse(RunOf(what)), Cancellation)).State);
        }

        var run = await machine.GetAsync(RunId.Parse(RunOf("octokit")), Cancellation);
        Assert.Equal("Login fails: ü 漢字 😀", run.GetProperty("request").GetProperty("title").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_doubled_a_thousand_times_over_eight_connections_starts_one_run()
    {
        await using var machine = new OneMachine("exit 0", Settings);
        await using var up = StartUp(machine, machine.Config);
        var url = await UrlOfAsync(up);
        const string body = """{"action":"labeled","label":{"name":"oz-agent"},"issue":{"number":7,"title":"t","author_association":"OWNER"},"sender":{"login":"ann"}}""";

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            using var connection = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 });
            var runs = new HashSet<string>();
            for (var i = 0; i < 125; i++)
            {
                using var answer = await connection.SendAsync(GitHub(url, body, "the-same"), Cancellation);
                Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
                using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancellation));
                runs.Add(json.RootElement.GetProperty("run_id").GetString()!);
            }

            return runs;
        })));

        var run = Assert.Single(answers.SelectMany(runs => runs).Distinct());
        await machine.UntilTerminalAsync(RunId.Parse(run), Cancellation);
        Assert.Single(machine.Files("runs"), file => file.EndsWith(".json", StringComparison.Ordinal));
        Assert.Single(machine.Files("keys"));
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_refused_starts_nothing_and_tells_a_prober_nothing()
    {
        await using var machine = new OneMachine("exit 0", Settings);
        await using var up = StartUp(machine, machine.Config);
        var url = await UrlOfAsync(up);
        using var http = new HttpClient();
        const string body = """{"action":"labeled"}""";

        using var unsigned = await http.PostAsync($"{url}/api/v1/webhooks/issues", Json(body), Cancellation);
        using var forged = GitHub(url, body, "d");
        forged.Headers.Remove("X-Hub-Signature-256");
        forged.Headers.Add("X-Hub-Signature-256", "sha256=" + new string('0', 64));
        using var wrong = await http.SendAsync(forged, Cancellation);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (unsigned.StatusCode, wrong.StatusCode));
        Assert.Equal(await unsigned.Content.ReadAsStringAsync(Cancellation), await wrong.Content.ReadAsStringAsync(Cancellation));

        // GitHub's published vector is genuine and no JSON; one changed byte of it is not genuine.
        using var vector = Signed(url, "Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
        using var read = await http.SendAsync(vector, Cancellation);
        using var changed = Signed(url, "Hello, World?", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
        using var refused = await http.SendAsync(changed, Cancellation);
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.Unauthorized), (read.StatusCode, refused.StatusCode));

        using var large = await http.PostAsync($"{url}/api/v1/webhooks/build", Json(new string('x', 3000)), Cancellation);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using var compressed = GitHub(url, body, "d");
        compressed.Content!.Headers.ContentEncoding.Add("gzip");
        using var unreadable = await http.SendAsync(compressed, Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, unreadable.StatusCode);

        using var unknown = await http.PostAsync($"{url}/api/v1/webhooks/other", Json(body), Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.DoesNotContain("issues", await unknown.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);

        using var ping = GitHub(url, body, "d", "ping");
        using var filtered = await http.SendAsync(ping, Cancellation);
        Assert.Equal(HttpStatusCode.NoContent, filtered.StatusCode);
        Assert.Empty(machine.Files("runs"));
        Assert.Empty(machine.Files("keys"));
        Assert.Contains("a ping asks for nothing", (await machine.OzfAsync(Cancellation, "webhooks", "deliveries", "issues")).Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_without_the_secret_of_a_webhook_does_not_start()
    {
        await using var machine = new OneMachine("exit 0", Settings);
        await using var up = TestProcess.Start(
            Path.Join(AppContext.BaseDirectory, "ozf"), ["up", "--port", "0", "--data", machine.Data, "--config-file", machine.Config],
            new Dictionary<string, string?>(Secrets) { ["GITHUB_WEBHOOK_SECRET"] = null });

        Assert.Equal(64, await up.WaitForExitAsync(Cancellation));
        Assert.Contains(up.Errors, line => line.Contains("webhooks.issues.secret", StringComparison.Ordinal) && line.Contains("GITHUB_WEBHOOK_SECRET", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task The_commands_of_the_page_about_webhooks_do_what_it_says()
    {
        var page = await File.ReadAllTextAsync(Path.Join(TestPackages.Directory, "..", "..", "docs", "webhooks.md"), Cancellation);
        await using var machine = new OneMachine("exit 0");
        await File.AppendAllTextAsync(machine.Config, "\n" + Yaml().Match(page).Groups["yaml"].Value, Cancellation);
        await using var up = StartUp(machine, machine.Config);
        var url = await UrlOfAsync(up);
        var blocks = Shell().Matches(page);
        Assert.Equal(4, blocks.Count);

        foreach (Match block in blocks)
        {
            var (commands, expected) = (block.Groups["commands"].Value.Replace("http://127.0.0.1:7007", url, StringComparison.Ordinal), block.Groups["status"].Value);
            await using var shell = TestProcess.Start("/bin/sh", ["-eu", "-c", commands], Secrets);
            var code = await shell.WaitForExitAsync(Cancellation);
            Assert.True(code == 0 && shell.Output[^1].EndsWith(expected, StringComparison.Ordinal), $"{commands}\n{string.Join('\n', shell.Output)}\n{string.Join('\n', shell.Errors)}");
        }

        Assert.Equal(3, machine.Files("keys").Length);
    }

    private static TestProcess StartUp(OneMachine machine, string config) => TestProcess.Start(
        Path.Join(AppContext.BaseDirectory, "ozf"), ["up", "--port", "0", "--data", machine.Data, "--config-file", config, "--output", "json"], Secrets);

    private static async Task<string> UrlOfAsync(TestProcess up)
    {
        using var json = JsonDocument.Parse(await up.WaitForLineAsync("\"url\"", Cancellation));
        return json.RootElement.GetProperty("url").GetString()!;
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static HttpRequestMessage GitHub(string url, string body, string id, string eventName = "issues") =>
        Signed(url, body, Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(GitHubSecret), Encoding.UTF8.GetBytes(body))), id, eventName);

    private static HttpRequestMessage Signed(string url, string body, string signature, string id = "d", string eventName = "issues") => new(HttpMethod.Post, $"{url}/api/v1/webhooks/issues")
    {
        Content = Json(body),
        Headers = { { "X-GitHub-Event", eventName }, { "X-GitHub-Delivery", id }, { "X-Hub-Signature-256", "sha256=" + signature } },
    };

    [GeneratedRegex("```yaml\n# webhooks.yaml\n(?<yaml>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Yaml();

    [GeneratedRegex("```sh\n(?<commands>.*?)# (?<status>[0-9]{3})\n```", RegexOptions.Singleline)]
    private static partial Regex Shell();
}
