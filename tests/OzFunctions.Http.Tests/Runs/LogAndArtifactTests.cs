using System.Net.Http.Headers;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Http.Serving;

namespace OzFunctions.Http.Tests.Runs;

public sealed class LogAndArtifactTests
{
    private const string Path = "/api/v1/agent/runs";

    private readonly DoorRig _rig = new();

    [Fact]
    public async Task A_log_comes_as_text_or_as_stored()
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);
        await _rig.LogAsync(id, 1, StoredRuns.Line(1, "preparing", "setup"), StoredRuns.Line(2, "red \u001b[31mapple"));
        await _rig.FinishAsync(id);

        var text = (await _rig.GetAsync($"{Path}/{id}/log")).Is(200);
        var lines = (await _rig.GetAsync($"{Path}/{id}/log?format=ndjson")).Is(200);

        Assert.Equal("text/plain; charset=utf-8", text.Headers.ContentType);
        Assert.Equal("[setup] preparing\nred apple\n", text.Text.Replace("\\u001b[31m", "", StringComparison.Ordinal).Replace("\u001b[31m", "", StringComparison.Ordinal));
        Assert.Equal("application/x-ndjson", lines.Headers.ContentType);
        Assert.StartsWith("{\"n\":1,", lines.Text, StringComparison.Ordinal);
        Assert.Equal(2, lines.Text.Count(character => character == '\n'));
        Assert.Equal($"{Path}/{id}/log", (await _rig.GetAsync($"{Path}/{id}/transcript")).Is(302).Headers.Location);
    }

    [Fact]
    public async Task A_client_that_was_cut_off_goes_on_with_the_line_after_its_last_event()
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);
        await _rig.LogAsync(id, 1, [.. Enumerable.Range(1, 5).Select(n => StoredRuns.Line(n, "first " + n))]);
        await _rig.StartAsync(id, attempt: 2);
        await _rig.LogAsync(id, 2, [.. Enumerable.Range(1, 3).Select(n => StoredRuns.Line(n, "second " + n))]);
        await _rig.FinishAsync(id);

        var all = Ids((await _rig.GetAsync($"{Path}/{id}/log?format=sse")).Is(200).Text);
        Assert.Equal(["1-1", "1-2", "1-3", "1-4", "1-5", "2-1", "2-2", "2-3"], all);
        for (var cut = 0; cut < all.Length; cut++)
        {
            var rest = (await _rig.SendAsync("GET", $"{Path}/{id}/log", change: request =>
            {
                request.Headers.Accept = "text/event-stream";
                request.Headers["Last-Event-ID"] = all[cut];
            })).Is(200);
            Assert.Equal(all[(cut + 1)..], Ids(rest.Text));
            Assert.EndsWith($$"""event: end{{"\n"}}data: {"run_id":"{{id}}","state":"SUCCEEDED","reason":"completed"}{{"\n\n"}}""", rest.Text, StringComparison.Ordinal);
        }

        (await _rig.GetAsync($"{Path}/{id}/log?format=sse&after=nonsense")).Is(400);
    }

    [Fact]
    public async Task A_live_log_over_the_network_is_cut_and_resumed_without_loss_or_doubling()
    {
        var id = await _rig.SubmitAsync();
        await using var server = new FrontDoorServer(_rig.Door, new(System.Net.IPAddress.Loopback, 0), NullLoggerFactory.Instance);
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", DoorRig.Key);

        // The first client is there before the run starts, and is cut after the third line.
        var had = new List<string>();
        await foreach (var (eventId, _) in EventsAsync(client, id, last: null, connected: async () =>
        {
            await _rig.StartAsync(id);
            await _rig.LogAsync(id, 1, StoredRuns.Line(1, "one"), StoredRuns.Line(2, "two\nwith a line feed"), StoredRuns.Line(3, "three"));
        }))
        {
            had.Add(eventId);
            if (had.Count == 3)
            {
                break;
            }
        }

        await _rig.LogAsync(id, 1, StoredRuns.Line(4, "four"));
        await foreach (var (eventId, _) in EventsAsync(client, id, had[^1], connected: async () =>
        {
            await _rig.LogAsync(id, 1, StoredRuns.Line(5, "five"));
            await _rig.FinishAsync(id);
        }))
        {
            had.Add(eventId);
        }

        await server.StopAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["1-1", "1-2", "1-3", "1-4", "1-5"], had);
    }

    [Fact]
    public async Task A_client_that_goes_away_while_nothing_is_said_is_no_fault_of_ours()
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);
        using var gone = new CancellationTokenSource();
        using var body = new MemoryStream();
        var looks = 0;

        // It goes when the stream has begun and the log is looked at for news a second time.
        _rig.Blobs.After = (_, _) =>
        {
            if (body.Length > 0 && ++looks == 2)
            {
                gone.Cancel();
            }

            return Task.CompletedTask;
        };

        var answer = await _rig.SendAsync("GET", $"{Path}/{id}/log?format=sse", change: request => request.HttpContext.RequestAborted = gone.Token, answer: body);

        Assert.Equal("retry: 1000\n\n", answer.Is(200).Text);
    }

    [Fact]
    public async Task Artifacts_are_listed_and_come_as_attachments_that_no_browser_opens()
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);
        await _rig.KeepAsync(id, 1, ("out/page.html", "<script>alert(1)</script>", "text/html"), ("ünicode \"name\".txt", "0123456789", "text/plain"));
        await _rig.FinishAsync(id);

        var list = (await _rig.GetAsync($"{Path}/{id}/artifacts")).Is(200).Json.GetProperty("artifacts").EnumerateArray().ToList();
        var page = (await _rig.GetAsync($"{Path}/{id}/artifacts/out/page.html")).Is(200);
        var named = (await _rig.GetAsync(new Uri(list[1].GetProperty("url").GetString()!).PathAndQuery)).Is(200);

        Assert.Equal(["out/page.html", "ünicode \"name\".txt", "huge.bin"], list.Select(entry => entry.GetProperty("path").GetString()));
        Assert.False(list[2].TryGetProperty("url", out _));
        Assert.StartsWith("attachment", page.Headers.ContentDisposition.ToString(), StringComparison.Ordinal);
        Assert.Equal("nosniff", page.Headers.XContentTypeOptions);
        Assert.Contains("sandbox", page.Headers.ContentSecurityPolicy.ToString(), StringComparison.Ordinal);
        Assert.Equal("0123456789", named.Text);
        Assert.Equal("ünicode \"name\".txt", ContentDispositionHeaderValue.Parse(named.Headers.ContentDisposition!).FileNameStar);
        (await _rig.GetAsync($"{Path}/{id}/artifacts/huge.bin")).Is(404);
        (await _rig.GetAsync($"{Path}/{id}/artifacts/../log.ndjson")).Is(404);
        (await _rig.GetAsync($"{Path}/{id}/artifacts/..%2Flog.ndjson")).Is(404);
    }

    [Theory]
    [InlineData("bytes=0-3", 206, "0123", "bytes 0-3/10")]
    [InlineData("bytes=7-", 206, "789", "bytes 7-9/10")]
    [InlineData("bytes=-2", 206, "89", "bytes 8-9/10")]
    [InlineData("bytes=-20", 206, "0123456789", "bytes 0-9/10")]
    [InlineData("bytes=5-500", 206, "56789", "bytes 5-9/10")]
    [InlineData("bytes=0-1,4-5", 200, "0123456789", "")]
    [InlineData("lines=0-1", 200, "0123456789", "")]
    public async Task A_range_answers_a_part(string range, int status, string content, string contentRange)
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);
        await _rig.KeepAsync(id, 1, ("a.txt", "0123456789", "text/plain"));

        var answer = (await _rig.SendAsync("GET", $"{Path}/{id}/artifacts/a.txt", change: request => request.Headers.Range = range)).Is(status);

        Assert.Equal(content, answer.Text);
        Assert.Equal(contentRange, answer.Headers.ContentRange.ToString());
        Assert.Equal("bytes */10", (await _rig.SendAsync("GET", $"{Path}/{id}/artifacts/a.txt", change: request => request.Headers.Range = "bytes=10-")).Is(416).Headers.ContentRange);
    }

    private static string[] Ids(string stream) => [.. stream.Split('\n').Where(line => line.StartsWith("id: ", StringComparison.Ordinal)).Select(line => line[4..])];

    private static async IAsyncEnumerable<(string Id, string Data)> EventsAsync(HttpClient client, string runId, string? last, Func<Task> connected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Path}/{runId}/log");
        request.Headers.Accept.Add(new("text/event-stream"));
        if (last is not null)
        {
            request.Headers.Add("Last-Event-ID", last);
        }

        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        await connected();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        var id = "";
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                id = line[4..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal) && id.Length > 0)
            {
                yield return (id, line[6..]);
                id = "";
            }
        }
    }
}
