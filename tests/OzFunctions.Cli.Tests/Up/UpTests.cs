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
    private const int Limit = 120_000;

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

        // The host hears of a pause within two seconds: this one waits in any case.
        var waiting = await rig.RunAsync(["run", "-p", "fake:hang", "--not-before", "2099-01-01T00:00:00Z", .. server]);
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
        var configuration = Path.Combine(rig.Place, "keys.yaml");
        await File.WriteAllTextAsync(
            configuration,
            (await File.ReadAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), Cancellation)) + $"\napi_keys:\n  - {{name: watcher, sha256: {made.GetProperty("sha256").GetString()}, scopes: [read]}}\n",
            Cancellation);
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
