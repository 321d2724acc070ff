using OzFunctions.Runs;

namespace OzFunctions.Cli.Tests.Schedules;

public sealed class SchedulesCommandTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_schedule_is_made_shown_changed_switched_and_removed()
    {
        using var ozf = new OzfRig();
        var made = (await ozf.RunAsync("schedules", "create", "nightly", "--cron", "0 3 * * *", "-p", "Triage", "--model", "m", "--output", "json")).Ends(0).Json;
        Assert.Equal(("nightly", "api", "active"), (made.GetProperty("name").GetString(), made.GetProperty("source").GetString(), made.GetProperty("state").GetString()));

        await ozf.RunAsync("schedules", "update", "nightly", "--time-zone", "Europe/Berlin", "--remove", "model", "--title", "Triage");
        var changed = (await ozf.RunAsync("schedules", "get", "nightly", "-o", "json")).Ends(0).Json.GetProperty("definition");
        Assert.Equal("""{"prompt":"Triage","title":"Triage"}""", changed.GetProperty("request").GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("Europe/Berlin", changed.GetProperty("time_zone").GetString());

        (await ozf.RunAsync("schedules", "pause", "nightly")).Ends(0);
        Assert.Equal("paused", (await ozf.RunAsync("schedules", "list", "-o", "json")).Json.GetProperty("schedules")[0].GetProperty("state").GetString());
        Assert.Contains("next run", (await ozf.RunAsync("schedules", "unpause", "nightly")).Ends(0).Output, StringComparison.Ordinal);
        (await ozf.RunAsync("schedules", "delete", "nightly")).Ends(0);
        Assert.Contains("No schedules", (await ozf.RunAsync("schedules", "list")).Ends(0).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_cannot_be_read_is_warned_of_beside_the_others_and_can_be_deleted()
    {
        using var ozf = new OzfRig();
        await ozf.RunAsync("schedules", "create", "s", "--cron", "@yearly", "-p", "p");
        await using (var store = ozf.Open())
        {
            await store.Core.Ports.Blobs.PutAsync("schedules/broken.json", "{"u8.ToArray(), Cancellation);
        }

        var list = (await ozf.RunAsync("schedules", "list")).Ends(0);

        Assert.Contains("s ", list.Output, StringComparison.Ordinal);
        Assert.Contains("schedule 'broken' cannot be read", list.Error, StringComparison.Ordinal);
        Assert.Contains("delete it", (await ozf.RunAsync("schedules", "get", "broken")).Ends(69).Error, StringComparison.Ordinal);
        (await ozf.RunAsync("schedules", "delete", "broken")).Ends(0);
        Assert.Equal("", (await ozf.RunAsync("schedules", "list")).Ends(0).Error);
    }

    [Fact]
    public async Task Run_starts_a_run_now_and_the_list_shows_it()
    {
        using var ozf = new OzfRig();
        await ozf.RunAsync("schedules", "create", "s", "--cron", "@yearly", "-p", "p");

        var run = (await ozf.RunAsync("schedules", "run", "s")).Ends(0).Line;

        Assert.Contains(run, (await ozf.RunAsync("schedules", "list")).Output, StringComparison.Ordinal);
        await using var store = ozf.Open();
        Assert.Equal(TriggerKind.Schedule, (await store.Core.Records.FindAsync(RunId.Parse(run), Cancellation))!.Record.Trigger.Kind);
    }

    [Fact]
    public async Task Every_fault_is_told_with_key_value_and_rule_and_nothing_is_made()
    {
        using var ozf = new OzfRig();

        var answer = (await ozf.RunAsync("schedules", "create", "Bad", "--cron", "0 0 30 2 *", "--time-zone", "Mars", "-p", "p", "--not-before", "2030-01-01T00:00:00Z")).Ends(64);

        Assert.Contains("name: 'Bad': must have lower-case letters", answer.Error, StringComparison.Ordinal);
        Assert.Contains("cron: '0 0 30 2 *': never comes", answer.Error, StringComparison.Ordinal);
        Assert.Contains("time_zone: 'Mars'", answer.Error, StringComparison.Ordinal);
        Assert.Contains("request.not_before", answer.Error, StringComparison.Ordinal);
        Assert.Contains("--cron is missing", (await ozf.RunAsync("schedules", "create", "x", "-p", "p")).Ends(64).Error, StringComparison.Ordinal);
        Assert.Empty((await ozf.RunAsync("schedules", "list", "-o", "json")).Json.GetProperty("schedules").EnumerateArray());
    }

    [Fact]
    public async Task A_configured_schedule_is_listed_before_any_host_saw_it_and_is_read_only()
    {
        using var ozf = new OzfRig();
        ozf.Environment["OZF_CONFIG"] = ozf.Write("ozf.yaml", "schedules: [{name: nightly, cron: '@daily', request: {prompt: p}}]");

        Assert.Contains("nightly", (await ozf.RunAsync("schedules", "list")).Ends(0).Output, StringComparison.Ordinal);
        Assert.Contains("comes from the configuration", (await ozf.RunAsync("schedules", "update", "nightly", "--cron", "@weekly")).Ends(64).Error, StringComparison.Ordinal);
        Assert.Contains("comes from the configuration", (await ozf.RunAsync("schedules", "delete", "nightly")).Ends(64).Error, StringComparison.Ordinal);
        (await ozf.RunAsync("schedules", "pause", "nightly")).Ends(0);
        Assert.Contains("paused", (await ozf.RunAsync("schedules", "get", "nightly")).Ends(0).Output, StringComparison.Ordinal);
        (await ozf.RunAsync("schedules", "run", "nightly")).Ends(0);
        ozf.Environment.Remove("OZF_CONFIG");
        Assert.Contains("not in this configuration", (await ozf.RunAsync("schedules", "list")).Ends(0).Output, StringComparison.Ordinal);
        (await ozf.RunAsync("schedules", "delete", "nightly")).Ends(0);
    }

    [Fact]
    public async Task Next_shows_times_of_an_expression_in_its_zone()
    {
        using var ozf = new OzfRig();

        var next = (await ozf.RunAsync("schedules", "next", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "-n", "2")).Ends(0);

        Assert.Equal("2026-03-29T01:00:00.000Z  Sun 2026-03-29 03:00 +02:00\n2026-03-30T00:30:00.000Z  Mon 2026-03-30 02:30 +02:00", next.Line);
        Assert.Contains("give the name", (await ozf.RunAsync("schedules", "next")).Ends(64).Error, StringComparison.Ordinal);
        Assert.Contains("no schedule 'x'", (await ozf.RunAsync("schedules", "get", "x")).Ends(64).Error, StringComparison.Ordinal);
    }
}
