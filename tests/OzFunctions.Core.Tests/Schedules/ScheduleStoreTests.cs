using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Core.Tests.Schedules;

/// <summary>Who may change which schedule, and what that does to its times.</summary>
public sealed class ScheduleStoreTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_schedule_is_this_json()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("0 6 * * 1-5") with { TimeZone = "Europe/Berlin" });

        var blob = await scene.Store.FindAsync("schedules/s.json", Cancellation);

        Assert.Equal(
            """{"schema":1,"name":"s","source":"api","definition":{"cron":"0 6 * * 1-5","time_zone":"Europe/Berlin","enabled":true,"overlap":"skip","missed":"one","missed_window":"1d","request":{"prompt":"p"}},"paused":false,"created_at":"2026-11-25T12:00:30.000Z","created_by":"ann","updated_at":"2026-11-25T12:00:30.000Z","since":"2026-11-25T12:00:30.000Z","pending":[]}""",
            System.Text.Encoding.UTF8.GetString(blob!.Content.Span));
    }

    [Fact]
    public async Task Every_fault_of_a_definition_is_told_at_once()
    {
        var scene = new ScheduleScene();
        var bad = new ScheduleDefinition
        {
            Cron = "61 * * * *",
            TimeZone = "Mars/Olympus",
            MissedWindow = TimeSpan.FromDays(90),
            Request = new() { IdempotencyKey = "k", NotBefore = ScheduleScene.Start, ExpiresAt = ScheduleScene.Start },
        };

        var refused = await Assert.ThrowsAsync<ScheduleException>(() => scene.Process.Schedules.CreateAsync("Bad Name", bad, false, null, Cancellation));

        Assert.Equal(ScheduleRefusal.Invalid, refused.Refusal);
        Assert.Equal(
            ["cron", "missed_window", "name", "request.expires_at", "request.idempotency_key", "request.not_before", "request.prompt", "time_zone"],
            refused.Faults.Select(fault => fault.Path).Distinct().Order(StringComparer.Ordinal));
        Assert.Empty(scene.Store.Names);
    }

    [Fact]
    public async Task What_cannot_be_read_is_named_beside_the_others_and_can_be_deleted()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("@daily"));
        await scene.Store.PutAsync("schedules/broken.json", "{"u8.ToArray(), Cancellation);
        await scene.Store.PutAsync("schedules/newer.json", """{"schema":9,"definition":{"overlap":"a word of tomorrow"}}"""u8.ToArray(), Cancellation);
        var schedules = scene.Process.Schedules;
        var unreadable = new List<string>();

        var listed = await schedules.ListAsync((name, problem) => unreadable.Add($"{name} {problem.Refusal}"), Cancellation).ToListAsync(Cancellation);
        var broken = await Assert.ThrowsAsync<ScheduleException>(() => schedules.GetAsync("broken", Cancellation));
        var newer = await Assert.ThrowsAsync<ScheduleException>(() => schedules.PauseAsync("newer", "ann", Cancellation));
        await schedules.DeleteAsync("broken", Cancellation);
        await schedules.DeleteAsync("newer", Cancellation);

        Assert.Equal("s", Assert.Single(listed).Name);
        Assert.Equal(["broken Broken", "newer Newer"], unreadable);
        Assert.Contains("delete it", broken.Message, StringComparison.Ordinal);
        Assert.Contains("upgrade ozf", newer.Message, StringComparison.Ordinal);
        Assert.Equal(["schedules/s.json"], scene.Store.Names);
    }

    [Fact]
    public async Task What_is_stored_of_a_configured_schedule_can_be_deleted_where_nobody_can_read_it()
    {
        var scene = new ScheduleScene();
        var process = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("*/5 * * * *")));
        await process.Tick.TickAsync(Cancellation);
        await scene.Store.PutAsync("schedules/s.json", "{}"u8.ToArray(), Cancellation);
        await process.Tick.TickAsync(Cancellation);

        await process.Schedules.DeleteAsync("s", Cancellation);
        await scene.TickAtAsync("12:01:00", process);
        await scene.TickAtAsync("12:05:00", process);

        Assert.Equal(["12:05"], await scene.StartedAsync());
        Assert.Equal(ScheduleRefusal.Conflict, (await Assert.ThrowsAsync<ScheduleException>(() => process.Schedules.DeleteAsync("s", Cancellation))).Refusal);
    }

    [Fact]
    public async Task Making_the_same_again_answers_the_first_and_another_is_refused()
    {
        var scene = new ScheduleScene();
        var first = await scene.CreateAsync(ScheduleScene.Every("@daily"));
        scene.Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(first.CreatedAt, (await scene.CreateAsync(ScheduleScene.Every("@daily"))).CreatedAt);
        Assert.Equal(ScheduleRefusal.Conflict, (await Assert.ThrowsAsync<ScheduleException>(() => scene.CreateAsync(ScheduleScene.Every("@weekly")))).Refusal);
    }

    [Fact]
    public async Task New_times_count_from_their_change_and_a_new_request_from_the_next_run()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("0 6 * * *") with { Missed = MissedRuns.All });
        scene.Clock.Advance(TimeSpan.FromMinutes(30));

        await scene.Process.Schedules.UpdateAsync("s", ScheduleScene.Every("*/10 * * * *") with { Request = new() { Prompt = "new" }, Missed = MissedRuns.All }, null, "bob", Cancellation);
        await scene.TickAtAsync("12:31:00");
        Assert.Empty(await scene.RunsAsync());
        await scene.TickAtAsync("12:40:00");

        Assert.Equal("new", Assert.Single(await scene.RunsAsync()).Request.Prompt);
        Assert.Equal("bob", (await scene.GetAsync()).UpdatedBy);
    }

    [Fact]
    public async Task Run_now_starts_at_once_also_when_paused_and_a_repeat_answers_the_first()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("@daily"));
        await scene.Process.Schedules.PauseAsync("s", null, Cancellation);

        var first = await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation);
        var again = await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation);
        var other = await scene.Process.Schedules.RunNowAsync("s", null, "ann", Cancellation);

        Assert.Equal((first.Run.RunId, false), (again.Run.RunId, again.Created));
        Assert.Equal((TriggerKind.Schedule, "s", null), (first.Run.Trigger.Kind, first.Run.Trigger.Name, first.Run.Trigger.DeliveryId));
        Assert.Equal(other.Run.RunId, (await scene.GetAsync()).LastRun!.RunId);
        Assert.True((await scene.GetAsync()).Paused);
    }

    [Fact]
    public async Task A_repeat_of_run_now_does_not_hide_the_later_run_that_is_not_to_be_overlapped()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        var first = await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation);
        await scene.Process.Cancels.CancelAsync(first.Run.RunId, "ann", null, Cancellation);
        await scene.TickAtAsync("12:05:00");
        var due = (await scene.GetAsync()).LastRun;

        var again = await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation);

        Assert.Equal((first.Run.RunId, false), (again.Run.RunId, again.Created));
        Assert.Equal(due, (await scene.GetAsync()).LastRun);
        await scene.TickAtAsync("12:10:00");
        Assert.Equal(["12:05", "now"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_repeat_of_run_now_notes_the_run_that_the_first_call_could_not()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("@daily"));
        scene.Store.Before = (method, name) => method == "TryReplaceAsync" && name.StartsWith("schedules/", StringComparison.Ordinal)
            ? throw new BlobStoreException("503", isTransient: true, null)
            : Task.CompletedTask;
        Assert.True((await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation)).Created);
        scene.Store.Before = null;
        Assert.Null((await scene.GetAsync()).LastRun);

        var again = await scene.Process.Schedules.RunNowAsync("s", "k", "ann", Cancellation);

        Assert.False(again.Created);
        Assert.Equal(again.Run.RunId, (await scene.GetAsync()).LastRun!.RunId);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_that_is_accepted_is_answered_also_when_its_schedule_cannot_be_written_any_more(bool isGone)
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("0 6 * * *"));
        scene.Store.Before = async (method, name) =>
        {
            if (method == "TryReplaceAsync" && name == "schedules/s.json")
            {
                throw new BlobStoreException("busy", isTransient: true, null);
            }

            if (isGone && method == "TryCreateAsync" && name.StartsWith("runs/", StringComparison.Ordinal))
            {
                await scene.Process.Schedules.DeleteAsync("s", Cancellation);
            }
        };

        var answer = await scene.Process.Schedules.RunNowAsync("s", null, "ann", Cancellation);

        Assert.Equal(answer.Run.RunId, Assert.Single(await scene.RunsAsync()).RunId);
    }

    [Fact]
    public async Task A_deleted_schedule_starts_nothing_and_its_runs_stay()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        await scene.TickAtAsync("12:05:00");

        await scene.Process.Schedules.DeleteAsync("s", Cancellation);
        await scene.TickAtAsync("12:10:00");

        Assert.Equal(["12:05"], await scene.StartedAsync());
        Assert.Equal(ScheduleRefusal.NotFound, (await Assert.ThrowsAsync<ScheduleException>(() => scene.Process.Schedules.DeleteAsync("s", Cancellation))).Refusal);
        Assert.Equal(ScheduleRefusal.NotFound, (await Assert.ThrowsAsync<ScheduleException>(scene.GetAsync)).Refusal);
    }

    [Fact]
    public async Task A_configured_schedule_is_started_can_be_paused_and_not_be_changed()
    {
        var scene = new ScheduleScene();
        var host = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("*/5 * * * *")));
        await host.Tick.TickAsync(Cancellation);

        Task[] changes =
        [
            Assert.ThrowsAsync<ScheduleException>(() => host.Schedules.UpdateAsync("s", ScheduleScene.Every("@daily"), null, null, Cancellation)),
            Assert.ThrowsAsync<ScheduleException>(() => host.Schedules.DeleteAsync("s", Cancellation)),
            Assert.ThrowsAsync<ScheduleException>(() => scene.CreateAsync(ScheduleScene.Every("@daily"))),
            Assert.ThrowsAsync<ScheduleException>(() => scene.Process.Schedules.UpdateAsync("s", ScheduleScene.Every("@daily"), null, null, Cancellation)),
        ];
        await Task.WhenAll(changes);
        await scene.TickAtAsync("12:05:00", host);
        await host.Schedules.PauseAsync("s", null, Cancellation);
        await scene.TickAtAsync("12:10:00", host);

        Assert.Equal(["12:05"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_host_without_the_configuration_leaves_its_schedules_alone_and_may_forget_them()
    {
        var scene = new ScheduleScene();
        await scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("*/5 * * * *"))).Tick.TickAsync(Cancellation);

        await scene.TickAtAsync("12:05:00");

        Assert.Empty(await scene.RunsAsync());
        await scene.Process.Schedules.DeleteAsync("s", Cancellation);
        Assert.DoesNotContain("schedules/s.json", scene.Store.Names);
    }

    [Fact]
    public async Task Changed_times_of_the_configuration_count_from_when_a_host_first_has_them()
    {
        var scene = new ScheduleScene();
        await scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("0 6 * * *"))).Tick.TickAsync(Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(30));
        var restarted = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("*/10 * * * *") with { Missed = MissedRuns.All }));

        await restarted.Tick.TickAsync(Cancellation);
        Assert.Empty(await scene.RunsAsync());
        await scene.TickAtAsync("12:40:00", restarted);

        Assert.Equal(["12:40"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_restart_with_the_same_configuration_makes_up_for_what_was_missed()
    {
        var scene = new ScheduleScene();
        var schedule = new ConfiguredSchedule("s", ScheduleScene.Every("*/10 * * * *"));
        await scene.NewProcess(schedule).Tick.TickAsync(Cancellation);

        await scene.TickAtAsync("12:28:00", scene.NewProcess(schedule));

        Assert.Equal(["12:20"], await scene.StartedAsync());
    }

    [Fact]
    public async Task Hosts_with_different_configurations_each_keep_their_own_times_and_none_is_lost()
    {
        var scene = new ScheduleScene();
        var old = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("10,30 * * * *") with { Overlap = ScheduleOverlap.Allow }));
        var next = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("20 * * * *") with { Overlap = ScheduleOverlap.Allow }));
        for (var minute = 1; minute <= 35; minute++)
        {
            scene.Clock.Advance(TimeSpan.FromSeconds(30));
            await old.Tick.TickAsync(Cancellation);
            scene.Clock.Advance(TimeSpan.FromSeconds(30));
            await next.Tick.TickAsync(Cancellation);
        }

        Assert.Equal(["12:10", "12:20", "12:30"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_name_that_the_api_took_first_is_not_started_from_the_configuration()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("0 6 * * *"));
        var host = scene.NewProcess(new ConfiguredSchedule("s", ScheduleScene.Every("*/5 * * * *")));

        await scene.TickAtAsync("12:05:00", host);

        Assert.Empty(await scene.RunsAsync());
        Assert.Equal("0 6 * * *", (await host.Schedules.GetAsync("s", Cancellation)).Definition.Cron);
    }
}
