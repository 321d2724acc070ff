using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OzFunctions.Schedules;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Desks;

/// <summary>Commands with <c>--server</c> against servers that answer oddly, or something else than a front door would.</summary>
public sealed class RemoteDeskTests : IAsyncDisposable
{
    private const int Limit = 180_000;
    private const string Odd = "is it an OzFunctions front door";

    private readonly OzfRig _ozf = new();
    private readonly HttpReceiver _door = new();

    public RemoteDeskTests() => _ozf.Environment["OZF_API_KEY"] = "a-key-for-tests";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _door.DisposeAsync();
        _ozf.Dispose();
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_that_is_a_reference_to_a_vault_is_not_sent_anywhere()
    {
        _ozf.Environment["OZF_API_KEY"] = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/ozf-api-key)";

        var refused = (await AskAsync("runs", "list")).Ends(64);

        Assert.Contains("OZF_API_KEY: is a Key Vault reference that was not resolved", refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("vault.azure.net", refused.Error, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"run_id\":7,\"runs\":[7],\"workers\":[7],\"dead_letters\":[7],\"schedules\":[7],\"webhooks\":[7],\"deliveries\":[7],\"changed\":7}")]
    public async Task Another_server_at_the_address_is_a_sentence_for_every_command(string answer)
    {
        _door.Whole = _ => Ok(answer);
        string[] commands =
        [
            "run -p x", "runs list", "runs get 01980000-0000-7000-8000-000000000000", "runs cancel --all", "workers list", "workers pause w", "dead-letters list", "schedules list",
            "schedules get s", "schedules run s", "webhooks list", "webhooks deliveries", "webhooks deliveries w d",
        ];
        foreach (var command in commands)
        {
            Assert.Contains(Odd, (await AskAsync(command.Split(' '))).Ends(69).Error, StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("{\"run_id\":\"none\",\"created\":true}")]
    public async Task A_retry_and_a_redelivery_that_are_answered_oddly_are_a_sentence(string answer)
    {
        var (id, record) = await FinishedAsync();
        _door.Whole = request => Ok(request.RequestLine.StartsWith("POST", StringComparison.Ordinal) ? answer
            : request.RequestLine.Contains("webhook-deliveries", StringComparison.Ordinal) ? """{"schema":1,"webhook":"w","id":"d","received_at":"2026-11-25T06:00:00.000Z","result":"filtered","payload_bytes":2,"payload":{}}"""
            : record);

        Assert.Contains(Odd, (await AskAsync("runs", "retry", id)).Ends(69).Error, StringComparison.Ordinal);
        Assert.Contains(Odd, (await AskAsync("webhooks", "redeliver", "w", "d")).Ends(69).Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_gone_between_the_look_and_the_call_is_said()
    {
        var (id, record) = await FinishedAsync();
        _door.Whole = request => request.RequestLine.StartsWith("POST", StringComparison.Ordinal) ? "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            : Ok(request.RequestLine.Contains("dead-letters", StringComparison.Ordinal)
                ? """{"id":"l","queue":"q","message_id":"m","reason":"r","description":"d","faults":[],"body":"b","received_at":"2026-11-25T06:00:00.000Z"}"""
                : record);

        Assert.Contains("is not there any more", (await AskAsync("runs", "retry", id)).Ends(64).Error, StringComparison.Ordinal);
        Assert.Contains("nothing was put back", (await AskAsync("dead-letters", "requeue", "l")).Ends(64).Error, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("Content-Length: 100\r\n", "the connection broke off")]
    [InlineData("", "only 4 of the 100 bytes")]
    public async Task A_download_that_is_cut_says_so_and_leaves_no_file(string length, string said)
    {
        var (id, record) = await FinishedAsync();
        var ran = JsonNode.Parse(record)!;
        ran["attempt"] = 1;
        _door.Whole = request => request.RequestLine.Contains("report.txt", StringComparison.Ordinal) ? $"HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\nhalf"
            : Ok(request.RequestLine.Contains("artifacts", StringComparison.Ordinal) ? $$"""{"artifacts":[{"path":"report.txt","bytes":100,"sha256":"{{new string('0', 64)}}"}]}""" : ran.ToJsonString());
        var directory = Path.Combine(_ozf.Place, "kept");

        var cut = (await AskAsync("runs", "artifacts", id, "--download", directory)).Ends(69);

        Assert.Contains(said, cut.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("cannot be written", cut.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory));
    }

    [Fact(Timeout = Limit)]
    public async Task An_update_says_nothing_about_a_pause_so_that_one_made_meanwhile_stays()
    {
        await ServeScheduleAsync();

        (await AskAsync("schedules", "update", "nightly", "--cron", "@weekly")).Ends(0);

        var sent = JsonDocument.Parse(_door.Requests.Single(request => request.RequestLine.StartsWith("PUT", StringComparison.Ordinal)).Body).RootElement;
        Assert.Equal(("@weekly", JsonValueKind.Null), (sent.GetProperty("cron_schedule").GetString(), sent.GetProperty("enabled").ValueKind));
    }

    [Fact(Timeout = Limit)]
    public async Task All_dead_letters_are_those_of_every_page()
    {
        _door.Whole = request => request.RequestLine.StartsWith("DELETE", StringComparison.Ordinal) ? "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
            : request.RequestLine.Contains("cursor=p%202", StringComparison.Ordinal) ? Ok($$$"""{"dead_letters":[{{{Letter("c")}}}],"page_info":{"has_next_page":false}}""")
            : Ok($$$"""{"dead_letters":[{{{Letter("a")}}},{{{Letter("b")}}}],"page_info":{"has_next_page":true,"next_cursor":"p 2"}}""");

        Assert.Contains("3 dead letters purged", (await AskAsync("dead-letters", "purge", "--all")).Ends(0).Output, StringComparison.Ordinal);

        Assert.Equal(
            ["DELETE /api/v1/dead-letters/a HTTP/1.1", "DELETE /api/v1/dead-letters/b HTTP/1.1", "DELETE /api/v1/dead-letters/c HTTP/1.1"],
            _door.Requests.Select(request => request.RequestLine).Where(line => line.StartsWith("DELETE", StringComparison.Ordinal)));

        static string Letter(string id) => $$"""{"id":"{{id}}","queue":"q","message_id":"m","reason":"r","description":"d","faults":[],"body":"b","received_at":"2026-11-25T06:00:00.000Z"}""";
    }

    [Fact(Timeout = Limit)]
    public async Task A_schedule_that_cannot_be_read_is_warned_of_and_can_be_deleted()
    {
        const string Detail = "schedule 'broken' cannot be read";
        _door.Whole = request => request.RequestLine.StartsWith("DELETE", StringComparison.Ordinal) ? Ok("""{"success":true}""")
            : request.RequestLine.Contains("broken", StringComparison.Ordinal) ? Problem("409 Conflict", Detail)
            : Ok($$"""{"schedules":[],"unreadable":[{"id":"broken","detail":"{{Detail}}"}]}""");

        Assert.Contains(Detail, (await AskAsync("schedules", "list")).Ends(0).Error, StringComparison.Ordinal);
        Assert.Contains(Detail, (await AskAsync("schedules", "get", "broken")).Ends(64).Error, StringComparison.Ordinal);
        (await AskAsync("schedules", "delete", "broken")).Ends(0);
    }

    [Fact(Timeout = Limit)]
    public async Task What_an_earlier_try_may_have_done_is_not_denied()
    {
        var tries = 0;
        _door.Whole = request => Interlocked.Increment(ref tries) % 2 == 1 ? ""
            : Ok(request.RequestLine.Contains("pause", StringComparison.Ordinal) ? """{"worker_id":"w","paused":true,"changed":false}""" : """{"runs":[]}""");

        Assert.Contains("it may have cancelled runs that are not listed here", (await AskAsync("runs", "cancel", "--all")).Ends(0).Error, StringComparison.Ordinal);
        Assert.Equal("Worker 'w' is paused.", (await AskAsync("workers", "pause", "w")).Ends(0).Line);
        Assert.Equal(4, tries);
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_that_is_not_ascii_arrives_whole()
    {
        var (id, _) = await FinishedAsync();
        _door.Whole = _ => Ok($$"""{"run_id":"{{id}}","created":false}""");

        (await AskAsync("schedules", "run", "nightly", "--idempotency-key", "täglich \"1\"")).Ends(0);
        (await AskAsync("run", "-p", "x", "--idempotency-key", "täglich \"1\"")).Ends(0);

        Assert.All(_door.Requests, request => Assert.Equal("täglich \"1\"", JsonDocument.Parse(request.Body).RootElement.GetProperty("idempotency_key").GetString()));
        Assert.Equal(2, _door.Requests.Count);
    }

    private Task<OzfAnswer> AskAsync(params string[] command) => _ozf.RunAsync([.. command, "--server", _door.Url.GetLeftPart(UriPartial.Authority)]);

    /// <summary>A run that is over, in the store of this machine, with its record.</summary>
    private async Task<(string Id, string Record)> FinishedAsync()
    {
        var id = (await _ozf.RunAsync("run", "-p", "x")).Ends(0).Line;
        (await _ozf.RunAsync("runs", "cancel", id)).Ends(0);
        return (id, (await _ozf.RunAsync("runs", "get", id, "--output", "json")).Ends(0).Output);
    }

    private async Task ServeScheduleAsync()
    {
        (await _ozf.RunAsync("schedules", "create", "nightly", "--cron", "@daily", "-p", "x")).Ends(0);
        await using var store = _ozf.Open();
        var record = JsonSerializer.Serialize(await store.Core.Schedules.GetAsync("nightly", Cancellation), ScheduleJson.Wire.ScheduleRecord);
        _door.Whole = _ => Ok($$"""{"record":{{record}},"state":"active"}""");
    }

    private static string Problem(string status, string detail)
    {
        var body = JsonSerializer.Serialize(new { detail });
        return $"HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";
    }

    private static string Ok(string body) => $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";
}
