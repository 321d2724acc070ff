using System.Net;
using System.Text.Json;
using OzFunctions.Runs;
using OzFunctions.Testing.Azurite;

[assembly: AssemblyFixture(typeof(SharedAzurite))]

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Several hosts of one worker on a storage account, one of them killed; foreign programs put requests in and read what comes out.</summary>
public sealed class AzureSwarmTests(SharedAzurite azurite)
{
    private const int Runs = 24;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 600_000)]
    public async Task Hosts_share_the_runs_of_a_worker_and_one_that_is_killed_costs_none()
    {
        await using var machine = await StartAsync("""
            mark="$MARKS/$OZF_RUN_ID"
            [ -e "$mark" ] && echo again >> "$MARKS/twice"
            echo "$OZF_ATTEMPT" >> "$mark"
            case "$*" in *together*) : > "$MARKS/../together-$OZF_RUN_ID"; while [ "$(ls -d "$MARKS"/../together-* | wc -l)" -lt 3 ]; do sleep 0.1; done ;; esac
            sleep 0.5
            """);
        machine.StartWorker();
        var killed = machine.StartWorker("--consume-requests");
        var runs = new List<RunId>();
        for (var run = 0; run < Runs; run++)
        {
            if (run == Runs - 3)
            {
                // The killed host's slots are taken over by the one that comes next: the last three wait for each other, and a host has two slots.
                machine.StartWorker();
            }

            runs.Add(RunId.Parse((await machine.SucceedAsync(Cancellation, "run", "-p", run < Runs - 3 ? "x" : "together", "--idempotency-key", $"k{run}")).Trim()));
            if (run == Runs / 2)
            {
                await killed.KillAsync();
            }
        }

        var hosts = new HashSet<string>();
        foreach (var runId in runs)
        {
            var record = await machine.UntilTerminalAsync(runId, Cancellation);
            Assert.Equal((RunState.Succeeded, 1), (record.State, record.Starts));
            hosts.Add(record.Attempts[0].HostId);
        }

        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.False(File.Exists(Path.Join(machine.Marks, "twice")));
        Assert.True(hosts.Count > 1, "One host did all the work.");
        var completed = (await machine.TakeEventsAsync(Cancellation)).Select(one => one.GetProperty("id").GetString()!).Where(id => id.EndsWith(":completed", StringComparison.Ordinal)).Distinct();
        Assert.Equal(runs.Select(run => run.Value).Order(), completed.Select(id => id.Split(':')[0]).Order());
    }

    [Theory(Timeout = 600_000)]
    [InlineData("plain")]
    [InlineData("base64")]
    public async Task A_request_of_a_foreign_client_runs_and_foreign_clients_read_log_artifacts_and_event(string encoding)
    {
        await using var machine = await StartAsync("""echo "working on größe"; echo kept > "$OZ_ARTIFACTS_DIR/größe 1%.txt"; head -c 9000000 /dev/zero > "$OZ_ARTIFACTS_DIR/large.bin" """);
        machine.StartWorker("--consume-requests");
        var (exitCode, message, errors) = await machine.ForeignAsync(Cancellation, "send", """{"prompt":"x","title":"Größe"}""", encoding);
        Assert.True(exitCode == 0, errors);

        var name = await OneMachine.UntilAsync(() => machine.NamesAsync("runs/", Cancellation), names => names.Count > 0, Cancellation);
        Assert.True(RunBlobs.TryParseRecord(Assert.Single(name), out var runId));
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal((RunState.Succeeded, message.Trim(), "Größe"), (record.State, record.Trigger.DeliveryId, record.Title));
        (exitCode, var output, errors) = await machine.ForeignAsync(Cancellation, "read", runId.Value, "1");
        Assert.True(exitCode == 0, errors);
        using var read = JsonDocument.Parse(output);
        Assert.Equal(record.CurrentAttempt!.Log!.Sha256, read.RootElement.GetProperty("log_sha256").GetString());
        Assert.Contains(read.RootElement.GetProperty("lines").EnumerateArray(), line => line.GetProperty("m").GetString() == "working on größe");
        var artifacts = read.RootElement.GetProperty("artifacts").EnumerateArray().ToDictionary(artifact => artifact.GetProperty("path").GetString()!);
        Assert.Equal(["größe 1%.txt", "large.bin"], artifacts.Keys.Order());
        Assert.All(artifacts.Values, artifact => Assert.True(artifact.GetProperty("same").GetBoolean()));
        Assert.Equal(("kept\n", "text/plain"), (artifacts["größe 1%.txt"].GetProperty("text").GetString(), artifacts["größe 1%.txt"].GetProperty("content_type").GetString()!.Split(';')[0]));
        var completed = Assert.Single(await machine.TakeEventsAsync(Cancellation), one => one.GetProperty("type").GetString()!.Contains("completed", StringComparison.Ordinal));
        Assert.Equal($"{runId}:1:completed", completed.GetProperty("id").GetString());
    }

    [Fact(Timeout = 600_000)]
    public async Task Every_command_works_on_a_storage_account_and_none_shows_its_key()
    {
        await using var machine = await StartAsync("""echo hello; echo kept > "$OZ_ARTIFACTS_DIR/a.txt"; env > "$MARKS/environment" """);
        await machine.Blobs.PutAsync("config/ozf.yaml", await File.ReadAllBytesAsync(machine.Config, Cancellation), Cancellation);
        var run = RunId.Parse((await machine.SucceedAsync(Cancellation, "run", "-p", "x", "--title", "Größe")).Trim());
        await machine.SucceedAsync(Cancellation, "workers", "pause", "local");
        await machine.SucceedAsync(Cancellation, "workers", "resume", "local");
        var worker = machine.StartWorker("--once", "--config-file", "blob:config/ozf.yaml");
        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        var said = new List<string> { string.Join('\n', worker.Output), string.Join('\n', worker.Errors) };

        foreach (var command in new string[][]
        {
            ["runs", "list"], ["runs", "get", run.Value], ["runs", "logs", run.Value], ["runs", "artifacts", run.Value, "--download", machine["out"]], ["events"], ["workers", "list"],
            ["dead-letters", "list"], ["config", "show"], ["config", "validate", "blob:config/ozf.yaml"], ["runs", "retry", run.Value], ["runs", "cancel", "--all"], ["doctor"],
        })
        {
            said.Add(await machine.SucceedAsync(Cancellation, command));
        }

        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Join(machine["out"], "a.txt"), Cancellation));
        Assert.Contains("Größe", said[2], StringComparison.Ordinal);
        Assert.Contains("hello", said[4], StringComparison.Ordinal);
        using var links = JsonDocument.Parse(await machine.SucceedAsync(Cancellation, "runs", "artifacts", run.Value, "--link", "10m", "--output", "json"));
        var link = Assert.Single(links.RootElement.GetProperty("links").EnumerateArray());
        using var http = new HttpClient();
        Assert.Equal(("a.txt", "kept\n"), (link.GetProperty("path").GetString(), await http.GetStringAsync(link.GetProperty("url").GetString(), Cancellation)));
        said.Add(links.RootElement.GetRawText());
        Assert.Contains("storage: {env: OZF_STORAGE}", string.Join('\n', said), StringComparison.Ordinal);
        said.Add(await machine.SucceedAsync(Cancellation, "runs", "delete", run.Value));
        Assert.Null(await machine.Records.FindAsync(run, Cancellation));
        Assert.Empty(await machine.NamesAsync($"data/{run}/", Cancellation));
        said.Add(await File.ReadAllTextAsync(Path.Join(machine.Marks, "environment"), Cancellation));
        Assert.All(said, text => Assert.DoesNotContain(AzuriteProcess.Key[..40], text, StringComparison.Ordinal));
        Assert.DoesNotContain("OZF_STORAGE", said[^1], StringComparison.Ordinal);
    }

    [Fact(Timeout = 600_000)]
    public async Task So_do_those_for_queues_dead_letters_schedules_events_and_runs_without_a_queue()
    {
        await using var machine = await StartAsync("echo hello");
        await File.WriteAllTextAsync(machine["bad.json"], """{"prompt":5}""", Cancellation);
        await File.WriteAllTextAsync(machine["good.json"], """{"prompt":"x"}""", Cancellation);
        await machine.SucceedAsync(Cancellation, "queue", "send", "--file", machine["bad.json"]);
        await machine.SucceedAsync(Cancellation, "queue", "send", "--file", machine["good.json"]);
        Assert.Equal(0, await machine.StartWorker("--once", "--consume-requests").WaitForExitAsync(Cancellation));
        using var letters = JsonDocument.Parse(await machine.SucceedAsync(Cancellation, "dead-letters", "list", "--output", "json"));
        var letter = Assert.Single(letters.RootElement.GetProperty("dead_letters").EnumerateArray()).GetProperty("id").GetString()!;
        Assert.True(RunBlobs.TryParseRecord(Assert.Single(await machine.NamesAsync("runs/", Cancellation)), out var run));
        Assert.Equal(RunState.Succeeded, (await machine.UntilTerminalAsync(run, Cancellation)).State);

        foreach (var command in new string[][]
        {
            ["dead-letters", "show", letter], ["dead-letters", "requeue", letter, "--file", machine["good.json"]], ["dead-letters", "purge", "--all"],
            ["schedules", "create", "s", "--cron", "0 0 1 1 *", "-p", "x"], ["schedules", "list"], ["schedules", "get", "s"], ["schedules", "next", "s"],
            ["schedules", "update", "s", "--cron", "0 0 2 1 *"], ["schedules", "pause", "s"], ["schedules", "resume", "s"], ["schedules", "run", "s"], ["schedules", "delete", "s"],
            ["exec", "--agent-command", machine["oz"], "-C", machine.Marks], ["sync"], ["webhooks", "list"], ["webhooks", "deliveries"],
            ["events", "deliveries"], ["events", "redeliver", run.Value, "--publisher", "oz-events"], ["keys", "new", "ci"],
        })
        {
            var said = await machine.SucceedAsync(Cancellation, command);
            Assert.DoesNotContain(AzuriteProcess.Key[..40], said, StringComparison.Ordinal);
        }

        Assert.Empty(await machine.NamesAsync("dead-letters/", Cancellation));
        Assert.Empty(await machine.NamesAsync("schedules/", Cancellation));
        Assert.Equal(2, (await machine.TakeEventsAsync(Cancellation)).Count(one => one.GetProperty("id").GetString() == $"{run}:1:completed"));

        // What was put back on the queue, what the schedule was told to start, what a delivery asked for, and that again, and the front door to them.
        await File.WriteAllTextAsync(machine["hook"], "a token for this test", Cancellation);
        await File.AppendAllTextAsync(machine.Config, $"\nwebhooks: [{{name: hook, kind: token, secret: {{file: {machine["hook"]}}}, request: {{prompt: x}}}}]\n", Cancellation);
        var up = machine.Start("up", "--port", "0", "--data", machine["up"]);
        var door = (await up.WaitForLineAsync("http://127.0.0.1:", Cancellation)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1];
        using var http = new HttpClient { DefaultRequestHeaders = { { "Authorization", "Bearer a token for this test" }, { "Idempotency-Key", "one" } } };
        using var delivered = await http.PostAsync(new Uri(door + "/api/v1/webhooks/hook"), new StringContent("{}", null, "application/json"), Cancellation);
        Assert.Equal(HttpStatusCode.Accepted, delivered.StatusCode);
        var again = RunId.Parse((await machine.SucceedAsync(Cancellation, "webhooks", "redeliver", "hook", "one", "--new-run")).Trim());
        Assert.Contains($"Again as  {again}", await machine.SucceedAsync(Cancellation, "webhooks", "deliveries", "hook", "one"), StringComparison.Ordinal);
        foreach (var name in await OneMachine.UntilAsync(() => machine.NamesAsync("runs/", Cancellation), names => names.Count == 6, Cancellation))
        {
            Assert.True(RunBlobs.TryParseRecord(name, out var other));
            Assert.Equal(RunState.Succeeded, (await machine.UntilTerminalAsync(other, Cancellation)).State);
        }

        up.Signal(15);
        Assert.Equal(0, await up.WaitForExitAsync(Cancellation));
    }

    [Fact(Timeout = 600_000)]
    public async Task Without_the_queue_service_runs_are_taken_in_and_a_host_starts_and_carries_them_out()
    {
        var queues = new Uri($"http://127.0.0.1:{AzuriteProcess.FreePort()}/devstoreaccount1");
        var whole = (await azurite.GetAsync()).TakeAccount();
        var connection = string.Join(';', whole.Split(';').Select(part => part.StartsWith("QueueEndpoint=", StringComparison.Ordinal) ? $"QueueEndpoint={queues}" : part));
        await using var machine = new AzureMachine(connection, "echo hello");
        var run = RunId.Parse((await machine.SucceedAsync(Cancellation, "run", "-p", "x")).Trim());

        var worker = machine.StartWorker("--once", "--log-format", "json");

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        var warning = worker.Errors.Select(line => JsonDocument.Parse(line).RootElement).First(line => line.GetProperty("message").GetString()!.Contains("runs are found by looking", StringComparison.Ordinal));
        Assert.Equal("warn", warning.GetProperty("level").GetString());
        Assert.Contains(queues.Authority, warning.GetProperty("message").GetString(), StringComparison.Ordinal);
        var record = await machine.UntilTerminalAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, "oz-events"), (record.State, Assert.Single(record.Outbox!).Publisher));
        Assert.Equal([RunBlobs.Active(run)], await machine.NamesAsync("active/", Cancellation));
    }

    private async Task<AzureMachine> StartAsync(string agent) => new((await azurite.GetAsync()).TakeAccount(), agent);
}
