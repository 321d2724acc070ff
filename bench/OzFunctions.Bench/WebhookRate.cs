using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OzFunctions.Bench;

/// <summary>Signed deliveries to <c>ozf up</c> over loopback at a steady rate, each a new run on plain files; the worker is paused, so that it is the door that is measured.</summary>
internal static class WebhookRate
{
    private const string Secret = "a secret for the bench";
    private const int Connections = 8;

    public static async Task MeasureAsync(BenchPlace place, Report report, int rate, int deliveries)
    {
        var data = place.NewDirectory("webhook");
        var config = Path.Join(data, "ozf.yaml");
        await File.WriteAllTextAsync(Path.Join(data, "secret"), Secret);
        await File.WriteAllTextAsync(config, $$$"""
            backend: { direct: { oz_path: {{{place.Noop}}}, workspace_root: {{{Path.Join(data, "workspaces")}}} } }
            webhooks:
              - name: issues
                kind: github
                secret: { file: {{{Path.Join(data, "secret")}}} }
                max_queued: 100000
                request: { prompt: "Fix {{issue.number}}: {{issue.body}}", title: "{{issue.title}}", concurrency_key: "{{issue.number}}" }
            """);
        using (var pause = BenchPlace.Start(BenchPlace.Program, ["workers", "pause", "local", "--data", data], redirect: true))
        {
            await pause.WaitForExitAsync();
        }

        await using var door = await BenchDoor.StartAsync(data, config);
        var address = new Uri(door.Address, "/api/v1/webhooks/issues");
        await SendAsync(address, 0, 50, rate);
        var times = await SendAsync(address, 50, deliveries, rate);
        var kept = Directory.GetFiles(Path.Join(data, "ozfunctions", "runs"), "*.json", SearchOption.AllDirectories).Length;
        if (kept != deliveries + 50)
        {
            throw new InvalidOperationException($"{deliveries + 50} deliveries were accepted, {kept} runs are kept.");
        }

        report.Add($"webhook 202 at {rate}/s p50", times.Percentile(50), "ms", null, null, "≤ 15", times.Percentile(50) <= 15);
        report.Add($"webhook 202 at {rate}/s p99", times.Percentile(99), "ms");
    }

    /// <summary>Each is sent when it is due, whatever became of those before; waiting for a connection counts.</summary>
    private static async Task<IReadOnlyList<double>> SendAsync(Uri address, int first, int count, int rate)
    {
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = Connections });
        var key = Encoding.UTF8.GetBytes(Secret);
        var padding = new string('x', 8_000);
        var began = Stopwatch.GetTimestamp();
        return await Task.WhenAll(Enumerable.Range(first, count).Select(async number =>
        {
            var due = TimeSpan.FromSeconds((double)(number - first) / rate);
            if (due - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } wait)
            {
                await Task.Delay(wait, TimeProvider.System);
            }

            var body = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new
            {
                action = "labeled",
                issue = new { number, title = $"Issue {number}", body = "Something is wrong.", author_association = "OWNER" },
                sender = new { login = "ann", type = "User" },
                padding,
            }));
            var sent = Stopwatch.GetTimestamp();
            using var message = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
            message.Content.Headers.ContentType = new("application/json");
            message.Headers.Add("X-GitHub-Event", "issues");
            message.Headers.Add("X-GitHub-Delivery", $"d-{number}");
            message.Headers.Add("X-Hub-Signature-256", "sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData(key, body)));
            using var answer = await http.SendAsync(message);
            var took = Stopwatch.GetElapsedTime(sent).TotalMilliseconds;
            return answer.StatusCode == HttpStatusCode.Accepted ? took : throw new InvalidOperationException($"Delivery {number} was answered {answer.StatusCode}.");
        }));
    }
}
