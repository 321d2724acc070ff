using System.Text;
using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;
using OzFunctions.Webhooks.Schemes;

namespace OzFunctions.Core.Tests.Webhooks;

public sealed class ReceiverTests
{
    private const int Limit = 180_000;
    private const string Labeled = """{"action":"labeled","label":{"name":"oz"},"issue":{"number":7,"title":"Login fails","author_association":"MEMBER","user":{"login":"ann"}},"sender":{"login":"bob","type":"User"}}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_genuine_delivery_is_a_run_with_its_id_and_status_address()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "Fix {{issue.number}}", Title = "{{issue.title}}", ConcurrencyKey = "issue-{{issue.number}}", Model = "m" }));

        var answer = await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "72d3162e-cc78-11e3-81ab-4c9367dc0958"));

        Assert.Equal(202, answer.Status);
        var run = (await rig.World.FindAsync(RunId.Parse(WebhookRig.RunOf(answer))))!;
        Assert.Equal($"https://runs.example.com/api/v1/agent/runs/{run.RunId}", WebhookRig.Parse(answer).GetProperty("status_url").GetString());
        Assert.Equal(WebhookRig.Parse(answer).GetProperty("status_url").GetString(), answer.Headers["Location"]);
        Assert.Equal(new RunTrigger { Kind = TriggerKind.Webhook, Name = "hook", DeliveryId = "72d3162e-cc78-11e3-81ab-4c9367dc0958" }, run.Trigger);
        Assert.Equal(("Fix 7", "Login fails", "issue-7", "m", "bob"), (run.Request.Prompt, run.Request.Title, run.Request.ConcurrencyKey, run.Request.Model, run.AskedBy));

        var delivery = Assert.Single(await rig.DeliveriesAsync());
        Assert.Equal((DeliveryResult.Accepted, run.RunId, "issues", "labeled", "bob"), (delivery.Result, delivery.RunId, delivery.Event, delivery.Action, delivery.Sender));
        var name = Assert.Single(await rig.World.NamesAsync("deliveries/"));
        Assert.Matches(@"\Adeliveries/in/hook/[0-9]{13}-72d3162e-cc78-11e3-81ab-4c9367dc0958\.json\z", name);
        Assert.DoesNotContain("sha256=", Encoding.UTF8.GetString((await rig.World.Blobs.FindAsync(name, Cancellation))!.Content.Span), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_repeat_answers_the_first_run_also_after_a_restart_and_another_prompt()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "{{issue.title}}" }));
        var first = WebhookRig.RunOf(await rig.SendAsync(WebhookRig.GitHub(Labeled)));
        var restarted = new WebhookReceiver([WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "Changed" })], rig.World.NewProcess().Core, Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookReceiver>.Instance);

        var again = await restarted.ReceiveAsync("hook", WebhookRig.GitHub(Labeled), "", Cancellation);

        Assert.Equal((202, first, false), (again.Status, WebhookRig.RunOf(again), WebhookRig.Parse(again).GetProperty("created").GetBoolean()));
        Assert.Equal(1, await rig.CountRunsAsync());
        Assert.Equal(1, Assert.Single(await rig.DeliveriesAsync()).Repeats);
    }

    [Theory(Timeout = Limit)]
    [InlineData(WebhookKind.GitHub, 13 * 24)]
    [InlineData(WebhookKind.Linear, 0)]
    [InlineData(WebhookKind.Hmac, 0)]
    public async Task A_recorded_delivery_under_another_id_answers_the_first_run(WebhookKind kind, int hoursLater)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(kind) with { Filter = new() { Outsiders = true } });
        var body = BodyOf(kind, rig.World.Clock.GetUtcNow());
        var first = WebhookRig.RunOf(await rig.SendAsync(Signed(kind, body, "mine")));
        rig.World.Clock.Shift(TimeSpan.FromHours(hoursLater));

        var answer = await rig.SendAsync(Signed(kind, body, "recorded"));
        await rig.SendAsync(Signed(kind, body, "recorded"));
        var changed = await rig.SendAsync(Signed(kind, body + " ", "other"));

        Assert.Equal((202, first, false), (answer.Status, WebhookRig.RunOf(answer), WebhookRig.Parse(answer).GetProperty("created").GetBoolean()));
        Assert.True(WebhookRig.Parse(changed).GetProperty("created").GetBoolean());
        Assert.Equal(2, await rig.CountRunsAsync());
        var replayed = Assert.Single(await rig.DeliveriesAsync(), delivery => delivery.Id == "recorded");
        Assert.Equal((DeliveryResult.Accepted, first, 1), (replayed.Result, replayed.RunId!.Value.Value, replayed.Repeats));
        Assert.Contains("as delivery 'mine'", replayed.Reason, StringComparison.Ordinal);
        Assert.True(hoursLater == 0 || (await rig.DeliveriesAsync())[^1].Id == "mine", "the oldest comes last, although the replay is of the same run");

        // Nor does a person start one by sending the replay in again, unless he asks for it.
        Assert.False((await rig.Receiver.RedeliverAsync(replayed, newRun: false, null, Cancellation))!.Created);
        Assert.True((await rig.Receiver.RedeliverAsync(replayed, newRun: true, null, Cancellation))!.Created);
    }

    [Theory(Timeout = Limit)]
    [InlineData(null)]
    [InlineData("{{issue.number}}")]
    public async Task A_replay_stands_in_the_log_by_its_own_time_and_goes_two_weeks_after_it(string? key)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "x", IdempotencyKey = key }));
        await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "mine"));
        rig.World.Clock.Shift(TimeSpan.FromDays(13));
        var from = rig.World.Clock.GetUtcNow();
        await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "recorded"));
        var to = rig.World.Clock.GetUtcNow();
        rig.World.Clock.Shift(TimeSpan.FromDays(2));
        await rig.World.NewProcess().Core.Tick.TickAsync(Cancellation);

        var replayed = Assert.Single(await rig.DeliveriesAsync());

        Assert.Equal(("recorded", DeliveryResult.Accepted), (replayed.Id, replayed.Result));
        Assert.InRange(
            Assert.Single(await rig.World.NamesAsync("deliveries/")),
            $"deliveries/in/hook/{RunBlobs.Invert(to.ToUnixTimeMilliseconds())}-recorded.json",
            $"deliveries/in/hook/{RunBlobs.Invert(from.ToUnixTimeMilliseconds())}-recorded.json");
    }

    [Theory(Timeout = Limit)]
    [InlineData(null)]
    [InlineData("{{issue.number}}")]
    public async Task A_recording_under_a_thousand_ids_does_not_fill_the_log(string? key)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "x", IdempotencyKey = key }));
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(202, (await rig.SendAsync(WebhookRig.GitHub(Labeled, id: $"d-{i}"))).Status);
        }

        Assert.Equal(1, await rig.CountRunsAsync());
        Assert.InRange((await rig.World.NamesAsync("deliveries/")).Count, 2, 30);
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_whose_run_a_replay_made_has_its_entry_too()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));

        // The first was noted in bodies/ and died before its run was there.
        await rig.Core.SignedBodies.FindFirstAsync("hook", Encoding.UTF8.GetBytes(Labeled), "mine", SignedBodies.MostWindow, Cancellation);
        var run = WebhookRig.RunOf(await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "recorded")));
        var mine = await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "mine"));
        await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "mine"));

        Assert.Equal((run, false), (WebhookRig.RunOf(mine), WebhookRig.Parse(mine).GetProperty("created").GetBoolean()));
        Assert.Equal(["mine 1", "recorded 0"], (await rig.DeliveriesAsync()).Select(delivery => $"{delivery.Id} {delivery.Repeats}").Order());
    }

    [Theory(Timeout = Limit)]
    [InlineData("mine", null)]
    [InlineData(null, "added")]
    public async Task A_recorded_hmac_delivery_with_its_id_taken_away_or_put_there_answers_the_first_run(string? recorded, string? replayed)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Hmac));
        var first = WebhookRig.RunOf(await rig.SendAsync(Hmac(recorded)));

        var answer = await rig.SendAsync(Hmac(replayed));

        Assert.Equal((first, false), (WebhookRig.RunOf(answer), WebhookRig.Parse(answer).GetProperty("created").GetBoolean()));
        Assert.Equal(1, await rig.CountRunsAsync());

        static WebhookArrival Hmac(string? id) => id is not null
            ? Signed(WebhookKind.Hmac, Labeled, id)
            : WebhookRig.Post(Labeled, ("X-Signature-256", WebhookRig.Hex(WebhookRig.Secret, Labeled)));
    }

    [Theory(Timeout = Limit)]
    [InlineData(WebhookKind.GitHub)]
    [InlineData(WebhookKind.Linear)]
    [InlineData(WebhookKind.Hmac)]
    public async Task A_recorded_delivery_under_the_id_of_its_own_body_answers_the_first_run(WebhookKind kind)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(kind) with { Filter = new() { Outsiders = true } });
        var body = BodyOf(kind, rig.World.Clock.GetUtcNow());
        var first = WebhookRig.RunOf(await rig.SendAsync(Signed(kind, body, "mine")));

        var answer = await rig.SendAsync(Signed(kind, body, DeliveryIds.OfBody(Encoding.UTF8.GetBytes(body))));

        Assert.Equal((first, false), (WebhookRig.RunOf(answer), WebhookRig.Parse(answer).GetProperty("created").GetBoolean()));
        Assert.Equal(1, await rig.CountRunsAsync());
    }

    [Theory(Timeout = Limit)]
    [InlineData(WebhookKind.Hmac, null, 59, false)]
    [InlineData(WebhookKind.Hmac, null, 61, true)]
    [InlineData(WebhookKind.Hmac, 5, 6, true)]
    [InlineData(WebhookKind.Hmac, 0, 0, true)]
    [InlineData(WebhookKind.GitHub, 0, 0, true)]
    [InlineData(WebhookKind.GitHub, null, (14 * 24 * 60) + 1, true)]
    [InlineData(WebhookKind.Token, null, 0, true)]
    public async Task The_same_body_under_another_id_counts_anew_after_its_window_or_where_that_is_off(WebhookKind kind, int? minutes, int later, bool expected)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(kind) with { ReplayWindow = minutes is { } window ? TimeSpan.FromMinutes(window) : null });
        var body = BodyOf(kind, rig.World.Clock.GetUtcNow());
        await rig.SendAsync(Signed(kind, body, "one"));
        rig.World.Clock.Shift(TimeSpan.FromMinutes(later));

        Assert.Equal(expected, WebhookRig.Parse(await rig.SendAsync(Signed(kind, body, "two"))).GetProperty("created").GetBoolean());
        Assert.False(WebhookRig.Parse(await rig.SendAsync(Signed(kind, body, "two"))).GetProperty("created").GetBoolean());
    }

    [Theory(Timeout = Limit)]
    [InlineData("repository_dispatch", true, "{\"action\":\"nightly\",\"branch\":\"main\",\"client_payload\":{\"n\":1}}")]
    [InlineData("repository_dispatch", true, "{\"action\":\"nightly\",\"branch\":\"main\",\"client_payload\":null}")]
    [InlineData("workflow_dispatch", true, "{\"inputs\":null,\"ref\":\"refs/heads/main\",\"workflow\":\".github/workflows/oz.yml\"}")]
    [InlineData("workflow_run", false, "{\"action\":\"completed\",\"workflow\":{\"id\":1},\"workflow_run\":{\"id\":2}}")]
    [InlineData("repository_dispatch", false, Labeled)]
    [InlineData("workflow_dispatch", false, Labeled)]
    public async Task What_is_asked_for_twice_by_GitHubs_dispatches_runs_twice_whatever_the_unsigned_header_says_of_others(string eventName, bool expected, string body)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, filter: new() { Outsiders = true }));
        await rig.SendAsync(WebhookRig.GitHub(body, eventName, "one"));

        Assert.Equal(expected, WebhookRig.Parse(await rig.SendAsync(WebhookRig.GitHub(body, eventName, "two"))).GetProperty("created").GetBoolean());
        Assert.False(WebhookRig.Parse(await rig.SendAsync(WebhookRig.GitHub(body, eventName, "two"))).GetProperty("created").GetBoolean());
    }

    [Fact(Timeout = Limit)]
    public async Task A_window_that_the_configuration_gives_holds_for_dispatches_too()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub) with { ReplayWindow = TimeSpan.FromMinutes(5) });
        const string body = "{\"action\":\"nightly\",\"client_payload\":{},\"sender\":{\"login\":\"ann\",\"type\":\"User\"}}";
        await rig.SendAsync(WebhookRig.GitHub(body, "repository_dispatch", "one"));

        Assert.False(WebhookRig.Parse(await rig.SendAsync(WebhookRig.GitHub(body, "repository_dispatch", "two"))).GetProperty("created").GetBoolean());
    }

    [Fact(Timeout = Limit)]
    public async Task One_signed_body_under_a_hundred_ids_at_once_is_one_run()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        var others = new WebhookReceiver([WebhookRig.Hook(WebhookKind.GitHub)], rig.World.NewProcess().Core, Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookReceiver>.Instance);

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(number => Task.Run(() =>
            (number % 2 == 0 ? rig.Receiver : others).ReceiveAsync("hook", WebhookRig.GitHub(Labeled, id: $"d-{number}"), "", Cancellation))));

        Assert.Single(answers.Select(WebhookRig.RunOf).Distinct());
        Assert.Equal(1, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task A_recorded_delivery_whose_first_was_refused_or_cut_off_makes_the_one_run()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        rig.World.Store.Before = (_, name) => name.StartsWith("keys/", StringComparison.Ordinal) ? throw new Blobs.BlobStoreException("503", isTransient: true, null) : Task.CompletedTask;
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => rig.SendAsync(WebhookRig.GitHub(Labeled, id: "cut-off")));
        rig.World.Store.Before = null;

        var recorded = WebhookRig.RunOf(await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "recorded")));

        Assert.Equal(recorded, WebhookRig.RunOf(await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "cut-off"))));
        Assert.Equal(1, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task Bodies_are_forgotten_when_no_window_can_reach_them_any_more()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        await rig.SendAsync(WebhookRig.GitHub(Labeled));
        rig.World.Clock.Shift(SignedBodies.MostWindow - TimeSpan.FromHours(1));
        await rig.World.NewProcess().Core.Tick.TickAsync(Cancellation);
        Assert.Single(await rig.World.NamesAsync(SignedBodies.Prefix));

        rig.World.Clock.Shift(TimeSpan.FromHours(2));
        await rig.World.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Empty(await rig.World.NamesAsync(SignedBodies.Prefix));
    }

    private static string BodyOf(WebhookKind kind, DateTimeOffset now) =>
        kind == WebhookKind.Linear ? $$"""{"type":"Issue","action":"create","data":{"id":"7"},"webhookTimestamp":{{now.ToUnixTimeMilliseconds()}}}""" : Labeled;

    private static WebhookArrival Signed(WebhookKind kind, string body, string id) => kind switch
    {
        WebhookKind.GitHub => WebhookRig.GitHub(body, id: id),
        WebhookKind.Linear => WebhookRig.Linear(body, id),
        WebhookKind.Token => WebhookRig.Post(body, ("Authorization", WebhookRig.Secret), ("Idempotency-Key", id)),
        _ => WebhookRig.Post(body, ("X-Signature-256", WebhookRig.Hex(WebhookRig.Secret, body)), ("Idempotency-Key", id)),
    };

    [Fact(Timeout = Limit)]
    public async Task A_delivery_doubled_a_thousand_times_at_once_is_one_run()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        var arrival = WebhookRig.GitHub(Labeled);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var runs = new List<string>();
            for (var i = 0; i < 125; i++)
            {
                runs.Add(WebhookRig.RunOf(await rig.SendAsync(arrival)));
            }

            return runs;
        })));

        Assert.Single(answers.SelectMany(runs => runs).Distinct());
        Assert.Equal(1, await rig.CountRunsAsync());
        Assert.Single(await rig.DeliveriesAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task Killed_between_acceptance_and_log_a_repeat_writes_the_entry()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        rig.World.Store.Before = (_, name) => name.StartsWith("deliveries/", StringComparison.Ordinal) ? throw new Blobs.BlobStoreException("503", isTransient: true, null) : Task.CompletedTask;
        var first = await rig.SendAsync(WebhookRig.GitHub(Labeled));
        Assert.Equal(202, first.Status);
        rig.World.Store.Before = null;
        Assert.Empty(await rig.World.NamesAsync("deliveries/"));

        await rig.SendAsync(WebhookRig.GitHub(Labeled));

        Assert.Equal(WebhookRig.RunOf(first), Assert.Single(await rig.DeliveriesAsync()).RunId!.Value.Value);
    }

    [Fact(Timeout = Limit)]
    public async Task Every_refusal_starts_nothing_and_every_401_says_the_same()
    {
        await using var rig = new WebhookRig(
            WebhookRig.Hook(WebhookKind.GitHub) with { MostBytes = 4096 },
            WebhookRig.Hook(WebhookKind.Standard) with { Name = "standard" });
        var genuine = WebhookRig.GitHub(Labeled);
        var now = rig.Now;
        var unauthenticated = new List<WebhookAnswer>
        {
            await rig.SendAsync(WebhookRig.Post(Labeled)),
            await rig.SendAsync(genuine with { Body = Encoding.UTF8.GetBytes(Labeled.Replace('7', '8')) }),
            await rig.SendAsync(WebhookRig.GitHub(Labeled, secret: "another secret")),
            await rig.SendAsync(WebhookRig.Standard("{}", now - 301), "standard"),
            await rig.SendAsync(WebhookRig.Standard("{}", now + 310), "standard"),
            await rig.SendAsync(WebhookRig.Post("not even JSON"), "standard"),
        };
        Assert.All(unauthenticated, answer => Assert.Equal((401, WebhookRig.TextOf(unauthenticated[0])), (answer.Status, WebhookRig.TextOf(answer))));

        Assert.Equal(413, (await rig.SendAsync(WebhookRig.GitHub("{\"a\":\"" + new string('x', 4096) + "\"}"))).Status);
        string[] unreadable = ["", "not JSON", "{\"a\":", "{\"a\":\"\\ud800\"}", new string('[', 100), "a=b"];
        foreach (var body in unreadable)
        {
            Assert.Equal(400, (await rig.SendAsync(WebhookRig.GitHub(body))).Status);
        }

        (string, string)[] headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/xml"), ("Content-Type", "application/json; charset=utf-16"), ("X-GitHub-Delivery", ""), ("X-GitHub-Event", "")];
        foreach (var (name, value) in headers)
        {
            Assert.Equal(400, (await rig.SendAsync(genuine with { Headers = new Dictionary<string, string>(genuine.Headers, StringComparer.OrdinalIgnoreCase) { [name] = value } })).Status);
        }

        var notUtf8 = new byte[] { (byte)'"', 0xff, (byte)'"' };
        var signature = Convert.ToHexStringLower(System.Security.Cryptography.HMACSHA256.HashData(Encoding.UTF8.GetBytes(WebhookRig.Secret), notUtf8));
        Assert.Equal(400, (await rig.SendAsync(genuine with { Body = notUtf8, Headers = new Dictionary<string, string>(genuine.Headers, StringComparer.OrdinalIgnoreCase) { ["X-Hub-Signature-256"] = "sha256=" + signature } })).Status);

        Assert.Equal(405, (await rig.SendAsync(genuine with { Method = "GET" })).Status);
        Assert.Equal(405, (await rig.SendAsync(genuine with { Method = "OPTIONS" })).Status);
        Assert.Empty(rig.World.Store.Names);
    }

    [Fact(Timeout = Limit)]
    public async Task An_unknown_name_and_a_disabled_webhook_are_the_same_404()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub) with { Enabled = false });

        var (disabled, unknown) = (await rig.SendAsync(WebhookRig.GitHub(Labeled)), await rig.SendAsync(WebhookRig.GitHub(Labeled), "other"));

        Assert.Equal((404, 404), (disabled.Status, unknown.Status));
        Assert.Equal(WebhookRig.TextOf(disabled), WebhookRig.TextOf(unknown));
        Assert.DoesNotContain("hook", WebhookRig.TextOf(unknown), StringComparison.Ordinal);
        Assert.Null(rig.Receiver.FindLimit("hook"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_filtered_delivery_is_204_with_its_reason_in_the_log()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, filter: new() { Labels = ["fix-me"] }));

        var answer = await rig.SendAsync(WebhookRig.GitHub(Labeled));

        Assert.Equal((204, 0), (answer.Status, answer.Body.Length));
        var delivery = Assert.Single(await rig.DeliveriesAsync());
        Assert.Equal((DeliveryResult.Filtered, "label 'oz' is not one of labels"), (delivery.Result, delivery.Reason));
        Assert.Equal(0, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_from_the_signed_body_makes_a_replay_under_another_id_a_repeat()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "x", IdempotencyKey = "{{issue.number}}:{{label.name}}" }));

        var (one, two) = (await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "a")), await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "b")));

        Assert.Equal(WebhookRig.RunOf(one), WebhookRig.RunOf(two));
    }

    [Fact(Timeout = Limit)]
    public async Task Too_many_waiting_runs_are_429_with_Retry_After_and_kept_for_later()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub) with { MaxQueued = 1 });
        Assert.Equal(202, (await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "a"))).Status);

        var refused = await rig.SendAsync(WebhookRig.GitHub(Labeled + " ", id: "b"));

        Assert.Equal(429, refused.Status);
        Assert.True(int.Parse(refused.Headers["Retry-After"], System.Globalization.CultureInfo.InvariantCulture) > 0);
        Assert.Equal(202, (await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "a"))).Status);
        Assert.Equal(DeliveryResult.Refused, (await rig.Receiver.Log.FindAsync("hook", "b", Cancellation))!.Result);
        Assert.Equal(1, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task A_flood_of_refused_deliveries_does_not_fill_the_store()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub) with { MaxQueued = 1 });
        for (var i = 0; i < 200; i++)
        {
            await rig.SendAsync(WebhookRig.GitHub(Labeled + new string(' ', i), id: $"d-{i}"));
        }

        Assert.InRange((await rig.World.NamesAsync("deliveries/")).Count, 2, 61);
    }

    [Fact(Timeout = Limit)]
    public async Task A_stored_delivery_can_be_made_a_new_run_by_todays_configuration()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, filter: new() { Actions = ["opened"] }));
        await rig.SendAsync(WebhookRig.GitHub(Labeled));
        var delivery = Assert.Single(await rig.DeliveriesAsync());
        Assert.Equal("action 'labeled' is not one of actions", (await rig.Receiver.RedeliverAsync(delivery, newRun: false, null, Cancellation))!.Reason);
        var changed = new WebhookReceiver([WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "{{issue.title}}" })], rig.Core, Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookReceiver>.Instance);

        var one = await changed.RedeliverAsync(delivery, newRun: false, null, Cancellation);
        var same = await changed.RedeliverAsync(delivery, newRun: false, null, Cancellation);
        var two = await changed.RedeliverAsync(delivery, newRun: true, null, Cancellation);

        Assert.Equal((true, false, true), (one!.Created, same!.Created, two!.Created));
        Assert.Equal(one.Run!.RunId, same.Run!.RunId);
        Assert.NotEqual(one.Run.RunId, two.Run!.RunId);
        Assert.Equal(one.Run.RunId.Value, WebhookRig.RunOf(await changed.ReceiveAsync("hook", WebhookRig.GitHub(Labeled), "", Cancellation)));
        Assert.Equal("d-1", one.Run.Trigger.DeliveryId);
        Assert.Contains("Login fails", one.Run.Request.Prompt, StringComparison.Ordinal);
        Assert.Equal([one.Run.RunId, two.Run.RunId], (await rig.DeliveriesAsync()).Single(entry => entry.Result == DeliveryResult.Filtered).RedeliveredAs!);
    }

    [Fact(Timeout = Limit)]
    public async Task A_redelivery_that_is_accepted_is_answered_also_when_the_log_cannot_take_it()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        await rig.SendAsync(WebhookRig.GitHub(Labeled));
        var delivery = Assert.Single(await rig.DeliveriesAsync());
        rig.World.Store.Before = (method, name) => method == "TryReplaceAsync" && name.StartsWith("deliveries/", StringComparison.Ordinal)
            ? throw new Blobs.BlobStoreException("busy", isTransient: true, null)
            : Task.CompletedTask;

        var answer = await rig.Receiver.RedeliverAsync(delivery, newRun: true, null, Cancellation);

        Assert.True(answer!.Created);
        Assert.Equal(2, await rig.CountRunsAsync());
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_disabled_webhook_takes_no_stored_delivery_in_either(bool newRun)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, filter: new() { Actions = ["opened"] }));
        await rig.SendAsync(WebhookRig.GitHub(Labeled));
        var delivery = Assert.Single(await rig.DeliveriesAsync());
        var disabled = new WebhookReceiver([WebhookRig.Hook(WebhookKind.GitHub) with { Enabled = false }], rig.Core, Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookReceiver>.Instance);

        var refused = await Assert.ThrowsAsync<WebhookDisabledException>(() => disabled.RedeliverAsync(delivery, newRun, null, Cancellation));

        Assert.Contains("webhook 'hook' is disabled", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task A_large_payload_is_taken_in_and_not_kept()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Token));

        Assert.Equal(202, (await rig.SendAsync(WebhookRig.Post($$"""{"a":"{{new string('x', 300_000)}}"}""", ("Authorization", WebhookRig.Secret)))).Status);

        var delivery = Assert.Single(await rig.DeliveriesAsync());
        Assert.Null(delivery.Payload);
        Assert.InRange(delivery.PayloadBytes, 300_000, 301_000);
    }

    [Fact(Timeout = Limit)]
    public async Task Entries_are_deleted_after_two_weeks_and_not_before()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub));
        await rig.SendAsync(WebhookRig.GitHub(Labeled, id: "old"));
        rig.World.Clock.Shift(DeliveryLog.Kept - TimeSpan.FromHours(1));
        await rig.SendAsync(WebhookRig.GitHub(Labeled.Replace('7', '8'), id: "new"));
        await rig.World.NewProcess().Core.Tick.TickAsync(Cancellation);
        Assert.Equal(2, (await rig.DeliveriesAsync()).Count);

        rig.World.Clock.Shift(TimeSpan.FromHours(2));
        await rig.World.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Equal(["new"], (await rig.DeliveriesAsync()).Select(delivery => delivery.Id));
    }

    [Fact(Timeout = Limit)]
    public async Task Slacks_address_check_is_answered_when_it_is_signed()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Slack));
        const string body = """{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}""";

        var answer = await rig.SendAsync(WebhookRig.Slack(body, rig.Now));

        Assert.Equal((200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "text/plain; charset=utf-8"), (answer.Status, WebhookRig.TextOf(answer), answer.ContentType));
        Assert.Equal(401, (await rig.SendAsync(WebhookRig.Post(body))).Status);
        Assert.Empty(rig.World.Store.Names);
    }

    [Fact(Timeout = Limit)]
    public async Task A_slash_command_is_a_form_and_answered_where_it_was_typed()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Slack, new() { Prompt = "{{text}}", Metadata = new Dictionary<string, string> { ["channel"] = "{{channel_id}}" } }, new() { Events = ["slash_command"] }));
        const string body = "token=legacy&team_id=T1&channel_id=C1&user_id=U1&command=%2Foz&text=fix+the+l%C3%B6gin%21&trigger_id=1.2.3&response_url=https%3A%2F%2Fhooks.slack.com%2Fx";

        var answer = await rig.SendAsync(WebhookRig.Slack(body, rig.Now, "application/x-www-form-urlencoded"));

        Assert.Equal((200, "ephemeral"), (answer.Status, WebhookRig.Parse(answer).GetProperty("response_type").GetString()));
        Assert.Contains("/api/v1/agent/runs/", WebhookRig.Parse(answer).GetProperty("text").GetString(), StringComparison.Ordinal);
        var delivery = Assert.Single(await rig.DeliveriesAsync());
        var run = (await rig.World.FindAsync(delivery.RunId!.Value))!;
        Assert.Contains("fix the lögin!", run.Request.Prompt, StringComparison.Ordinal);
        Assert.Equal(("C1", "U1", "1.2.3"), (run.Request.Metadata!["channel"], run.AskedBy, run.Trigger.DeliveryId));
        var kept = delivery.Payload!.Value.GetRawText();
        Assert.DoesNotContain("legacy", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("hooks.slack.com", kept, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("a=%zz")]
    [InlineData("a=%4")]
    [InlineData("a=%ff")]
    [InlineData("a=1&a=2")]
    public async Task A_broken_form_is_400(string body)
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Slack));

        Assert.Equal(400, (await rig.SendAsync(WebhookRig.Slack(body, rig.Now, "application/x-www-form-urlencoded"))).Status);
    }

    [Fact(Timeout = Limit)]
    public async Task Slacks_retry_of_an_event_is_a_repeat_by_its_event_id()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Slack));
        const string body = """{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"type":"app_mention","user":"U1","text":"hi"}}""";

        var (one, two) = (await rig.SendAsync(WebhookRig.Slack(body, rig.Now)), await rig.SendAsync(WebhookRig.Slack(body, rig.Now + 5)));

        Assert.Equal(WebhookRig.RunOf(one), WebhookRig.RunOf(two));
    }

    [Fact(Timeout = Limit)]
    public async Task GitHubs_form_holds_the_payload()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.GitHub, new() { Prompt = "{{issue.title}}" }));
        var body = "payload=" + Uri.EscapeDataString(Labeled);
        var arrival = WebhookRig.GitHub(body);

        var request = await rig.SendForRequestAsync(arrival with { Headers = new Dictionary<string, string>(arrival.Headers, StringComparer.OrdinalIgnoreCase) { ["Content-Type"] = "application/x-www-form-urlencoded" } });

        Assert.Contains("Login fails", request.Prompt, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_token_without_an_id_is_a_new_run_each_time_and_an_hmac_is_not()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.Token), WebhookRig.Hook(WebhookKind.Hmac) with { Name = "hmac" });
        var token = WebhookRig.Post("{}", ("Authorization", "Bearer " + WebhookRig.Secret));
        var hmac = WebhookRig.Post("{}", ("X-Signature-256", WebhookRig.Hex(WebhookRig.Secret, "{}")));

        Assert.NotEqual(WebhookRig.RunOf(await rig.SendAsync(token)), WebhookRig.RunOf(await rig.SendAsync(token)));
        Assert.Equal(WebhookRig.RunOf(await rig.SendAsync(hmac, "hmac")), WebhookRig.RunOf(await rig.SendAsync(hmac, "hmac")));
        var named = WebhookRig.Post("{}", ("Authorization", WebhookRig.Secret), ("Idempotency-Key", "nightly-1"));
        Assert.Equal(WebhookRig.RunOf(await rig.SendAsync(named)), WebhookRig.RunOf(await rig.SendAsync(named)));
    }

    [Fact(Timeout = Limit)]
    public async Task The_CloudEvents_handshake_is_given_to_known_origins()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.CloudEvents));
        static WebhookArrival Ask(string origin) => WebhookRig.Post("", ("WebHook-Request-Origin", origin), ("WebHook-Request-Rate", "120")) with { Method = "OPTIONS" };

        var consent = await rig.SendAsync(Ask("eventgrid.azure.net"));

        Assert.Equal((200, "eventgrid.azure.net", "*"), (consent.Status, consent.Headers["WebHook-Allowed-Origin"], consent.Headers["WebHook-Allowed-Rate"]));
        var refused = await rig.SendAsync(Ask("evil.example.com"));
        Assert.Equal(403, refused.Status);
        Assert.Empty(refused.Headers);
        Assert.Equal(404, (await rig.SendAsync(Ask("eventgrid.azure.net"), "other")).Status);
    }

    [Fact(Timeout = Limit)]
    public async Task Event_Grids_validation_event_gets_its_code_back()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.CloudEvents));
        const string body = """[{"id":"1","topic":"/t","subject":"","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6","validationUrl":"https://x"}}]""";

        var answer = await rig.SendAsync(WebhookRig.Post(body, ("Authorization", WebhookRig.Secret), ("aeg-event-type", "SubscriptionValidation")));

        Assert.Equal((200, """{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}"""), (answer.Status, WebhookRig.TextOf(answer)));
        Assert.Equal(401, (await rig.SendAsync(WebhookRig.Post(body))).Status);
    }

    [Fact(Timeout = Limit)]
    public async Task CloudEvents_come_structured_binary_and_in_batches_and_are_named_by_source_and_id()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.CloudEvents, new() { Prompt = "{{type}}: {{data.n}}" }));
        static string Event(string id) => JsonSerializer.Serialize(new { specversion = "1.0", id, source = "/s", type = "t.made", data = new { n = 5 } });
        (string, string) token = ("Authorization", WebhookRig.Secret);

        var structured = WebhookRig.RunOf(await rig.SendAsync(WebhookRig.Post(Event("1"), token, ("Content-Type", "application/cloudevents+json; charset=utf-8"))));
        var binary = WebhookRig.RunOf(await rig.SendAsync(WebhookRig.Post("""{"n":5}""", token, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t.made"), ("Content-Type", "application/json"))));
        var batch = await rig.SendAsync(WebhookRig.Post($"[{Event("1")},{Event("2")}]", token, ("Content-Type", "application/cloudevents-batch+json")));

        Assert.Equal(structured, binary);
        Assert.Equal(202, batch.Status);
        var deliveries = WebhookRig.Parse(batch).GetProperty("deliveries").EnumerateArray().Select(delivery => delivery.GetProperty("run_id").GetString()).ToList();
        Assert.Equal(structured, deliveries[0]);
        Assert.NotEqual(structured, deliveries[1]);
        var prompt = (await rig.World.FindAsync(RunId.Parse(structured)))!.Request.Prompt!;
        Assert.StartsWith("[data 1]: 5\n", prompt, StringComparison.Ordinal);
        Assert.Equal(400, (await rig.SendAsync(WebhookRig.Post("""{"specversion":"0.3","id":"1","source":"/s","type":"t"}""", token))).Status);
        Assert.Equal(400, (await rig.SendAsync(WebhookRig.Post("[]", token))).Status);
    }

    [Fact(Timeout = Limit)]
    public async Task Of_a_batch_that_was_refused_halfway_the_repeat_starts_only_the_rest()
    {
        await using var rig = new WebhookRig(WebhookRig.Hook(WebhookKind.CloudEvents) with { MaxQueued = 1 });
        var batch = WebhookRig.Post(
            """[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"specversion":"1.0","id":"2","source":"/s","type":"t"}]""", ("Authorization", WebhookRig.Secret));
        Assert.Equal(429, (await rig.SendAsync(batch)).Status);
        await rig.Core.Cancels.CancelAllAsync(null, "ann", null, null, Cancellation);
        rig.World.Clock.Shift(TimeSpan.FromSeconds(2));

        Assert.Equal(202, (await rig.SendAsync(batch)).Status);
        Assert.Equal(2, await rig.CountRunsAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task Options_print_no_secret()
    {
        await using var rig = new WebhookRig();
        Assert.Equal("hook", WebhookRig.Hook(WebhookKind.GitHub).ToString());
    }
}
