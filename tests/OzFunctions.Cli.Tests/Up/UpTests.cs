using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Up;

/// <summary><c>ozf up</c> as a process of its own, and commands that reach it by its address.</summary>
public sealed class UpTests
{
    private const int Limit = 600_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task One_process_takes_requests_from_curl_and_the_queue_runs_them_and_drains()
    {
        await using var rig = new OzfProcessRig();
        var up = rig.Start("up", "--port", "0");
        var url = await UrlAsync(up);
        var keyFile = Path.Combine(rig.Data, "api-key");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(keyFile));
        Assert.Contains(up.Output, line => line.Contains(keyFile, StringComparison.Ordinal));
        Assert.DoesNotContain(up.Output.Concat(up.Errors), line => line.Contains(File.ReadAllText(keyFile).Trim(), StringComparison.Ordinal));
        using var client = new HttpClient { BaseAddress = new(url) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", (await File.ReadAllTextAsync(keyFile, Cancellation)).Trim());
        using var created = await client.PostAsync("/api/v1/agent/runs", new StringContent("""{"prompt":"fake:say by http"}""", null, "application/json"), Cancellation);
        var id = JsonDocument.Parse(await created.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("run_id").GetString()!;
        var message = Path.Combine(rig.Place, "message.json");
        await File.WriteAllTextAsync(message, """{"prompt":"fake:say by queue","title":"queued"}""", Cancellation);
        await rig.RunAsync("queue", "send", "--file", message);

        Assert.Contains("by http", await client.GetStringAsync($"/api/v1/agent/runs/{id}/log?follow=true", Cancellation), StringComparison.Ordinal);
        Assert.Equal("SUCCEEDED", (await rig.GetAsync(id)).GetProperty("state").GetString());
        string? queued;
        while ((queued = await FindAsync(client, "queued")) is null)
        {
            // The queue has no signal that a caller could wait for.
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }

        Assert.Contains("by queue", await client.GetStringAsync($"/api/v1/agent/runs/{queued}/log?follow=true", Cancellation), StringComparison.Ordinal);

        // An agent of the same user can read the key; who reads its log cannot.
        var curious = await rig.RunAsync("run", "--wait", "-p", $"fake:cat {keyFile}");
        Assert.Contains("***", curious.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(File.ReadAllText(keyFile).Trim(), curious.Output, StringComparison.Ordinal);
        up.Signal(Signals.Interrupt);
        Assert.Equal(0, await up.WaitForExitAsync(Cancellation));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task Commands_work_the_same_against_a_front_door_elsewhere()
    {
        await using var rig = new OzfProcessRig();
        var url = await UrlAsync(rig.Start("up", "--port", "0"));
        var key = Path.Combine(rig.Data, "api-key");
        var elsewhere = Path.Combine(rig.Place, "elsewhere");
        string[] server = ["--server", url, "--key-file", key, "--data", elsewhere];

        var good = await rig.RunAsync(["run", "--wait", "-p", "fake:say all is well", "--title", "remote", .. server]);
        var bad = await rig.RunAsync(["run", "--wait", "-p", "fake:stderr it broke; exit 7", .. server]);
        var id = good.Output.Split('\n')[0];
        var local = await rig.RunAsync("runs", "list", "--output", "json");
        var list = await rig.RunAsync(["runs", "list", "--output", "json", .. server]);
        var abbreviated = await rig.RunAsync(["runs", "logs", id[^12..], .. server]);
        var raw = await rig.RunAsync(["runs", "logs", "--raw", id, .. server]);
        var rawLocal = await rig.RunAsync("runs", "logs", "--raw", id);
        var get = await rig.RunAsync(["runs", "get", id, "--output", "json", .. server]);
        var page = await rig.RunAsync(["runs", "get", id, .. server]);
        var pageLocal = await rig.RunAsync("runs", "get", id);
        var retried = await rig.RunAsync(["runs", "retry", id, .. server]);
        var paused = await rig.RunAsync(["workers", "pause", "local", .. server]);
        var waiting = await rig.RunAsync(["run", "-p", "fake:hang", .. server]);
        var cancelled = await rig.RunAsync(["runs", "cancel", waiting.Output, .. server]);
        var again = await rig.RunAsync(["runs", "cancel", waiting.Output, .. server]);
        var workers = await rig.RunAsync(["workers", "list", "--output", "json", .. server]);

        Assert.Equal(0, good.ExitCode);
        Assert.Contains("all is well", good.Output, StringComparison.Ordinal);
        Assert.Contains("SUCCEEDED (completed)", good.Error, StringComparison.Ordinal);
        Assert.Equal(7, bad.ExitCode);
        Assert.Equal(local.Output.Replace("\"trigger\":\"cli\"", "\"trigger\":\"api\"", StringComparison.Ordinal), list.Output);
        Assert.Contains("all is well", abbreviated.Output, StringComparison.Ordinal);
        Assert.Equal(rawLocal.Output, raw.Output);
        Assert.Equal("remote", JsonDocument.Parse(get.Output).RootElement.GetProperty("request").GetProperty("title").GetString());
        Assert.Equal(WithoutAges(pageLocal.Output), WithoutAges(page.Output));
        Assert.Equal(0, retried.ExitCode);
        Assert.Contains("is paused", paused.Output, StringComparison.Ordinal);
        Assert.Contains("is paused", waiting.Error, StringComparison.Ordinal);
        Assert.Contains("cancelled", cancelled.Output, StringComparison.Ordinal);
        Assert.Contains("already finished: CANCELLED", again.Output, StringComparison.Ordinal);
        Assert.True(JsonDocument.Parse(workers.Output).RootElement.GetProperty("workers")[0].GetProperty("paused").GetBoolean());
        Assert.False(Directory.Exists(elsewhere), "a command that asks elsewhere makes nothing here");
    }

    [Fact(Timeout = Limit)]
    public async Task Schedules_are_made_changed_and_run_elsewhere_as_here()
    {
        await using var rig = new OzfProcessRig();
        var configuration = await ConfigureAsync(rig, "schedules: [{name: yearly, cron: '@yearly', request: {prompt: 'fake:say y'}}]");
        var url = await UrlAsync(rig.Start("up", "--port", "0", "--config-file", configuration));
        string[] server = ["--server", url];
        Task<(int ExitCode, string Output, string Error)> AskAsync(params string[] words) => rig.RunAsync(["schedules", .. words, .. server]);

        var made = await AskAsync("create", "nightly", "--cron", "0 3 * * *", "-p", "fake:say triage", "--name", "triage", "--model", "m", "--output", "json");
        var again = await AskAsync("create", "nightly", "--cron", "0 4 * * *", "-p", "other");
        var changed = await AskAsync("update", "nightly", "--time-zone", "Europe/Berlin", "--overlap", "queue", "--missed-window", "2h", "--remove", "model");
        var paused = await AskAsync("pause", "nightly");
        await AskAsync("update", "nightly", "--cron", "0 5 * * *");
        var next = await AskAsync("next", "nightly", "-n", "1", "--after", "2026-01-01T00:00:00Z");
        var run = await AskAsync("run", "nightly");
        var followed = await rig.RunAsync(["runs", "logs", "-f", run.Output, .. server]);
        var get = await AskAsync("get", "nightly", "--output", "json");
        var page = await AskAsync("get", "nightly");
        var (local, localPage) = (await rig.RunAsync("schedules", "get", "nightly", "--output", "json"), await rig.RunAsync("schedules", "get", "nightly"));
        var list = await AskAsync("list");
        var resumed = await AskAsync("resume", "nightly");
        var fromFile = await AskAsync("delete", "yearly");
        var gone = await AskAsync("delete", "nightly");
        var goneTwice = await AskAsync("delete", "nightly");
        var nobody = await AskAsync("pause", "nobody");
        var bad = await AskAsync("create", "Bad", "--cron", "61 * * * *", "-p", "p");

        Assert.Equal(("nightly", "active"), (JsonDocument.Parse(made.Output).RootElement.GetProperty("name").GetString(), JsonDocument.Parse(made.Output).RootElement.GetProperty("state").GetString()));
        Assert.Equal((64, true), (again.ExitCode, again.Error.Contains("with another definition", StringComparison.Ordinal)));
        Assert.Contains("is changed; next run", changed.Output, StringComparison.Ordinal);
        Assert.Equal("Schedule 'nightly' is paused.", paused.Output);
        Assert.Equal(("2026-01-01T04:00:00.000Z  Thu 2026-01-01 05:00 +01:00", true), (next.Output, next.Error.Contains("is paused", StringComparison.Ordinal)));
        Assert.Contains("triage", followed.Output, StringComparison.Ordinal);
        Assert.Equal(local.Output, get.Output);
        Assert.Equal(WithoutAges(localPage.Output), WithoutAges(page.Output));
        var definition = JsonDocument.Parse(get.Output).RootElement.GetProperty("definition");
        Assert.Equal("""{"prompt":"fake:say triage","name":"triage"}""", definition.GetProperty("request").GetRawText().ReplaceLineEndings("").Replace("  ", "", StringComparison.Ordinal).Replace("\": ", "\":", StringComparison.Ordinal));
        Assert.Equal(("queue", "2h"), (definition.GetProperty("overlap").GetString(), definition.GetProperty("missed_window").GetString()));
        Assert.Equal(["yearly", "nightly"], list.Output.Split('\n')[1..].Select(line => line.Split(' ')[0]).Order().Reverse());
        Assert.Contains("is active; next run", resumed.Output, StringComparison.Ordinal);
        Assert.Equal((64, true), (fromFile.ExitCode, fromFile.Error.Contains("comes from the configuration", StringComparison.Ordinal)));
        Assert.Equal((0, 64, 64), (gone.ExitCode, goneTwice.ExitCode, nobody.ExitCode));
        Assert.Contains("there is no schedule 'nobody'", nobody.Error, StringComparison.Ordinal);
        Assert.Equal(64, bad.ExitCode);
        Assert.Contains("id: 'Bad': must have lower-case letters", bad.Error, StringComparison.Ordinal);
        Assert.Contains("cron_schedule: '61 * * * *'", bad.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Deliveries_of_webhooks_are_shown_and_taken_in_again_elsewhere()
    {
        await using var rig = new OzfProcessRig();
        var configuration = await ConfigureAsync(rig, "webhooks: [{name: issues, kind: token, secret: {env: HOOK}, where: {kind: wanted}, request: {prompt: 'fake:say {{n}}'}}]");
        var url = await UrlAsync(rig.Start(["up", "--port", "0", "--config-file", configuration], new() { ["HOOK"] = "a token for this test" }));
        string[] server = ["--server", url];
        Task<(int ExitCode, string Output, string Error)> AskAsync(params string[] words) => rig.RunAsync(["webhooks", .. words, .. server]);
        using var client = new HttpClient { BaseAddress = new(url) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", "a token for this test");
        async Task<HttpStatusCode> DeliverAsync(string id, string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/issues") { Content = new StringContent(body, null, "application/json"), Headers = { { "Idempotency-Key", id } } };
            using var answer = await client.SendAsync(request, Cancellation);
            return answer.StatusCode;
        }

        Assert.Equal(HttpStatusCode.Accepted, await DeliverAsync("one", """{"kind":"wanted","n":1}"""));
        Assert.Equal(HttpStatusCode.NoContent, await DeliverAsync("two / 2", """{"kind":"other","n":2}"""));

        var list = await AskAsync("list", "--output", "json");
        var deliveries = await AskAsync("deliveries", "--output", "json");
        var filtered = await AskAsync("deliveries", "issues", "--result", "filtered");
        var shown = await AskAsync("deliveries", "issues", "two / 2");
        var localShown = await rig.RunAsync("webhooks", "deliveries", "issues", "two / 2");
        var refused = await AskAsync("redeliver", "issues", "two / 2");
        var known = await AskAsync("redeliver", "issues", "one");
        var again = await AskAsync("redeliver", "issues", "one", "--new-run");
        var followed = await rig.RunAsync(["runs", "logs", "-f", again.Output, .. server]);
        var nobody = await AskAsync("redeliver", "issues", "three");

        var hook = Assert.Single(JsonDocument.Parse(list.Output).RootElement.GetProperty("webhooks").EnumerateArray());
        Assert.Equal(("issues", url + "/api/v1/webhooks/issues", "filtered"), (hook.GetProperty("name").GetString(), hook.GetProperty("address").GetString(), hook.GetProperty("last_result").GetString()));
        Assert.Equal(["two / 2", "one"], JsonDocument.Parse(deliveries.Output).RootElement.GetProperty("deliveries").EnumerateArray().Select(delivery => delivery.GetProperty("id").GetString()));
        Assert.Contains("two / 2", Assert.Single(filtered.Output.Split('\n')[1..]), StringComparison.Ordinal);
        Assert.Contains("\"n\": 2", shown.Output, StringComparison.Ordinal);
        Assert.Equal(WithoutAges(localShown.Output), WithoutAges(shown.Output));
        Assert.Equal((1, true), (refused.ExitCode, refused.Error.Contains("the delivery starts nothing", StringComparison.Ordinal)));
        Assert.Equal((64, true), (known.ExitCode, known.Error.Contains("already; --new-run", StringComparison.Ordinal)));
        Assert.Equal(0, again.ExitCode);
        Assert.Contains("1", followed.Output, StringComparison.Ordinal);
        Assert.Equal((64, true), (nobody.ExitCode, nobody.Error.Contains("kept for 14 days", StringComparison.Ordinal)));
    }

    [Fact(Timeout = Limit)]
    public async Task Artifacts_and_dead_letters_come_from_elsewhere_too()
    {
        await using var rig = new OzfProcessRig();
        var url = await UrlAsync(rig.Start("up", "--port", "0"));
        string[] server = ["--server", url];
        var target = Path.Combine(rig.Place, "out");

        var run = await rig.RunAsync(["run", "--wait", "-p", "fake:artifact report.txt kept", .. server]);
        var artifacts = await rig.RunAsync(["runs", "artifacts", run.Output.Split('\n')[0], "--download", target, .. server]);
        var message = Path.Combine(rig.Place, "bad.json");
        await File.WriteAllTextAsync(message, """{"promt":"x"}""", Cancellation);
        await rig.RunAsync("queue", "send", "--file", message);
        (int ExitCode, string Output, string Error) letters;
        do
        {
            letters = await rig.RunAsync(["dead-letters", "list", "--output", "json", .. server]);
        }
        while (JsonDocument.Parse(letters.Output).RootElement.GetProperty("dead_letters").GetArrayLength() == 0);

        var id = JsonDocument.Parse(letters.Output).RootElement.GetProperty("dead_letters")[0].GetProperty("id").GetString()!;
        var show = await rig.RunAsync(["dead-letters", "show", id, .. server]);
        var purged = await rig.RunAsync(["dead-letters", "purge", id, .. server]);

        Assert.Equal(0, artifacts.ExitCode);
        Assert.StartsWith("kept", await File.ReadAllTextAsync(Path.Combine(target, "report.txt"), Cancellation), StringComparison.Ordinal);
        Assert.Contains("did you mean 'prompt'", show.Output, StringComparison.Ordinal);
        Assert.Contains("1 dead letter purged", purged.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task What_cannot_work_is_a_sentence_and_an_exit_code()
    {
        await using var rig = new OzfProcessRig();
        var url = await UrlAsync(rig.Start("up", "--port", "0"));
        var port = new Uri(url).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var wrong = Path.Combine(rig.Place, "wrong-key");
        await File.WriteAllTextAsync(wrong, "this-is-a-key-that-nobody-knows", Cancellation);

        var taken = await rig.RunAsync("up", "--port", port);
        var open = await rig.RunAsync("up", "--listen", "0.0.0.0:0");
        var both = await rig.RunAsync("up", "--listen", "127.0.0.1:0", "--port", "1");
        var nonsense = await rig.RunAsync("up", "--listen", "localhost");
        var unknown = await rig.RunAsync("runs", "list", "--server", url, "--key-file", wrong);
        var nobody = await rig.RunAsync("runs", "list", "--server", "http://127.0.0.1:1");
        var keyless = await rig.RunAsync("runs", "list", "--server", "https://runs.example.com");
        var local = await rig.RunAsync("queue", "send", "--file", wrong, "--server", url);

        Assert.Equal((69, true), (taken.ExitCode, taken.Error.Contains("is taken", StringComparison.Ordinal)));
        Assert.Equal((64, true), (open.ExitCode, open.Error.Contains("ozf keys new", StringComparison.Ordinal)));
        Assert.Equal((64, true), (both.ExitCode, both.Error.Contains("exclude each other", StringComparison.Ordinal)));
        Assert.Equal((64, true), (nonsense.ExitCode, nonsense.Error.Contains("0.0.0.0:7007", StringComparison.Ordinal)));
        Assert.Equal((64, true), (unknown.ExitCode, unknown.Error.Contains("does not know this key", StringComparison.Ordinal)));
        Assert.Equal((69, true), (nobody.ExitCode, nobody.Error.Contains("cannot be reached", StringComparison.Ordinal)));
        Assert.Equal((64, true), (keyless.ExitCode, keyless.Error.Contains("OZF_API_KEY", StringComparison.Ordinal)));
        Assert.Equal((64, true), (local.ExitCode, local.Error.Contains("this machine only", StringComparison.Ordinal)));
    }

    [Fact(Timeout = Limit)]
    public async Task Configured_keys_open_it_and_a_second_one_on_the_same_data_is_one_more_host()
    {
        await using var rig = new OzfProcessRig();
        var made = JsonDocument.Parse((await rig.RunAsync("keys", "new", "watcher", "--scope", "read", "--output", "json")).Output).RootElement;
        var configuration = await ConfigureAsync(rig, $"api_keys: [{{name: watcher, sha256: {made.GetProperty("sha256").GetString()}, scopes: [read]}}]");
        var key = Path.Combine(rig.Place, "watcher-key");
        await File.WriteAllTextAsync(key, made.GetProperty("key").GetString(), Cancellation);
        var url = await UrlAsync(rig.Start("up", "--listen", "0.0.0.0:0", "--config-file", configuration));

        var second = rig.Start("up", "--port", "0");
        await UrlAsync(second);
        await second.WaitForLineAsync(line => line.Contains("one more", StringComparison.Ordinal), Cancellation);
        var list = await rig.RunAsync("runs", "list", "--server", url, "--key-file", key);
        var refused = await rig.RunAsync("run", "-p", "x", "--server", url, "--key-file", key);

        Assert.Equal(0, list.ExitCode);
        Assert.Equal((64, true), (refused.ExitCode, refused.Error.Contains("has not the scope 'submit'", StringComparison.Ordinal)));
    }

    [Fact(Timeout = Limit)]
    public async Task Probes_are_open_and_metrics_need_a_key_and_say_when_the_host_is_full()
    {
        await using var rig = new OzfProcessRig();
        var up = rig.Start("up", "--port", "0");
        using var client = new HttpClient { BaseAddress = new(await UrlAsync(up)) };
        HttpResponseMessage answer;
        while ((answer = await client.GetAsync("/readyz", Cancellation)).StatusCode == HttpStatusCode.ServiceUnavailable)
        {
            // It answers before its first heartbeat has reached the store.
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }

        Assert.Equal("""{"status":"ready","reasons":[]}""", (await answer.Content.ReadAsStringAsync(Cancellation)).Trim());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/healthz", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/metrics", Cancellation)).StatusCode);
        client.DefaultRequestHeaders.Authorization = new("Bearer", (await File.ReadAllTextAsync(Path.Combine(rig.Data, "api-key"), Cancellation)).Trim());
        Assert.Contains("oz_worker_tasks_max_concurrent 4\n", await client.GetStringAsync("/metrics", Cancellation), StringComparison.Ordinal);

        var release = Path.Combine(rig.Place, "release");
        var waiting = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => rig.SubmitAsync($"wait-file {release}")));
        await ScrapeUntilAsync(client, "oz_worker_tasks_rejected_total{reason=\"at_capacity\"} 1");
        var full = await ScrapeUntilAsync(client, "oz_worker_tasks_active 4");
        await File.WriteAllTextAsync(release, "", Cancellation);
        foreach (var id in waiting)
        {
            await rig.FollowAsync(id);
        }

        Assert.Contains("oz_worker_connected 1", full, StringComparison.Ordinal);
        var after = await ScrapeUntilAsync(client, "oz_worker_tasks_completed_total{result=\"succeeded\"} 5");
        Assert.Contains("oz_worker_tasks_rejected_total{reason=\"at_capacity\"} 1", after, StringComparison.Ordinal);
        Assert.Contains("oz_worker_tasks_claimed_total 5", after, StringComparison.Ordinal);

        Assert.Equal(0, (await rig.RunAsync("workers", "pause", "local")).ExitCode);
        await rig.SubmitAsync("noop");
        while ((answer = await client.GetAsync("/readyz", Cancellation)).StatusCode == HttpStatusCode.OK)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }

        Assert.Contains("is paused", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    /// <summary>A scraper has nothing to wait for but the next scrape.</summary>
    private static async Task<string> ScrapeUntilAsync(HttpClient client, string line)
    {
        string scrape;
        while (!(scrape = await client.GetStringAsync("/metrics", Cancellation)).Contains(line, StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }

        return scrape;
    }

    /// <summary>The rig's configuration and these lines more, for one process and not for the others.</summary>
    private static async Task<string> ConfigureAsync(OzfProcessRig rig, string lines)
    {
        var file = Path.Combine(rig.Place, "up.yaml");
        await File.WriteAllTextAsync(file, await File.ReadAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), Cancellation) + "\n" + lines + "\n", Cancellation);
        return file;
    }

    [Fact(Timeout = 3 * Limit)]
    public async Task Up_on_the_emulator_of_azure_storage_takes_runs_by_http_and_queue_and_names_commands_that_find_them()
    {
        await using var emulator = await StartDevelopmentStorageAsync();
        await using var rig = new OzfProcessRig();
        string[] storage = ["--storage", "UseDevelopmentStorage=true"];
        var up = rig.Start(["up", "--port", "0", .. storage]);
        using var client = new HttpClient { BaseAddress = new(await UrlAsync(up)) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", (await File.ReadAllTextAsync(Path.Combine(rig.Data, "api-key"), Cancellation)).Trim());
        using var created = await client.PostAsync("/api/v1/agent/runs", new StringContent("""{"prompt":"fake:say by http","title":"posted"}""", null, "application/json"), Cancellation);
        var id = JsonDocument.Parse(await created.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("run_id").GetString()!;
        var message = Path.Combine(rig.Place, "message.json");
        await File.WriteAllTextAsync(message, """{"prompt":"fake:say by queue","title":"queued"}""", Cancellation);
        await rig.RunAsync(["queue", "send", "--file", message, .. storage]);

        Assert.Contains("by http", await client.GetStringAsync($"/api/v1/agent/runs/{id}/log?follow=true", Cancellation), StringComparison.Ordinal);
        string? queued;
        while ((queued = await FindAsync(client, "queued")) is null)
        {
            // The queue has no signal that a caller could wait for.
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }

        Assert.Contains("by queue", await client.GetStringAsync($"/api/v1/agent/runs/{queued}/log?follow=true", Cancellation), StringComparison.Ordinal);
        var named = up.Output.Single(line => line.Contains("ozf runs list", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var list = await rig.RunAsync(named[1..]);
        Assert.Contains("posted", list.Output, StringComparison.Ordinal);
        Assert.Contains("queued", list.Output, StringComparison.Ordinal);
        var waiting = await rig.RunAsync(["run", "-p", "x", "--host", "nobody", .. storage]);
        Assert.Contains("(ozf worker --worker-id nobody --storage UseDevelopmentStorage=true)", waiting.Error, StringComparison.Ordinal);
        Assert.Equal("No runs.", (await rig.RunAsync("runs", "list")).Error.Trim());
        up.Signal(Signals.Interrupt);
        Assert.Equal(0, await up.WaitForExitAsync(Cancellation));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    /// <summary>The emulator at its usual ports, which <c>UseDevelopmentStorage=true</c> means; where another one has them, there is nothing to test with.</summary>
    private static async Task<AzuriteProcess> StartDevelopmentStorageAsync()
    {
        await TestPackages.RequireAsync(Cancellation);
        foreach (var port in (int[])[10000, 10001])
        {
            using var listener = new TcpListener(IPAddress.Loopback, port) { ExclusiveAddressUse = true };
            try
            {
                listener.Start();
            }
            catch (SocketException)
            {
                Assert.Skip($"Port {port} of this machine, the usual one of Azurite, is taken.");
            }
        }

        return await AzuriteProcess.StartAsync(Cancellation, "--blobPort", "10000", "--queuePort", "10001");
    }

    private static string WithoutAges(string text) => Regex.Replace(text, @"\([^)]* ago\)|\(now\)", "");

    private static async Task<string> UrlAsync(TestProcess up)
    {
        var line = await up.WaitForLineAsync(line => line.Contains("URL", StringComparison.Ordinal), Cancellation);
        await up.WaitForLineAsync(line => line.Contains("runs list", StringComparison.Ordinal), Cancellation);
        return line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1];
    }

    private static async Task<string?> FindAsync(HttpClient client, string title)
    {
        var runs = JsonDocument.Parse(await client.GetStringAsync($"/api/v1/agent/runs?q={title}", Cancellation)).RootElement.GetProperty("runs");
        return runs.GetArrayLength() == 0 ? null : runs[0].GetProperty("run_id").GetString();
    }
}
