using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Schedules;

/// <summary>T6: what is due starts once, whoever ticks, whatever is killed, wherever the clock goes.</summary>
public sealed class ScheduleTickTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_due_time_starts_one_run_with_the_time_in_its_trigger_and_key()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));

        await scene.TickAtAsync("12:04:59");
        Assert.Empty(await scene.RunsAsync());
        await scene.TickAtAsync("12:05:00");
        await scene.TickAtAsync("12:05:10");

        var run = Assert.Single(await scene.RunsAsync());
        Assert.Equal((TriggerKind.Schedule, "s", "2026-11-25T12:05:00.000Z"), (run.Trigger.Kind, run.Trigger.Name, run.Trigger.DeliveryId));
        Assert.Contains($"keys/{RunBlobs.Hash("schedule:s:2026-11-25T12:05:00.000Z")}.json", scene.Store.Names);
        var schedule = await scene.GetAsync();
        Assert.Equal((run.RunId, null, 0), (schedule.LastRun!.RunId, schedule.LastError, schedule.Pending.Count));
        Assert.Equal("12:10", schedule.FindNext()!.Value.ToString("HH:mm", System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_schedule_does_not_start_what_was_due_before_it_was_made()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("0 12 * * *") with { Missed = MissedRuns.All });

        await scene.TickAtAsync("12:01:00");

        Assert.Empty(await scene.RunsAsync());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public async Task Any_number_of_ticking_processes_start_one_run_a_time(int processes)
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("* * * * *") with { Overlap = ScheduleOverlap.Allow });
        var tickers = Enumerable.Range(0, processes).Select(_ => scene.NewProcess()).ToList();

        // Each call of the store yields, so that their steps mix.
        scene.Store.Before = async (_, _) => await Task.Yield();
        for (var minute = 1; minute <= 5; minute++)
        {
            scene.Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.WhenAll(tickers.Select(ticker => Task.Run(() => ticker.Tick.TickAsync(Cancellation))));
        }

        await scene.TickAsync();
        Assert.Equal(["12:01", "12:02", "12:03", "12:04", "12:05"], await scene.StartedAsync());
    }

    [Fact]
    public async Task Killed_at_any_write_the_next_process_starts_what_was_due_once()
    {
        for (var write = 1; ; write++)
        {
            var scene = new ScheduleScene();
            await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
            scene.Clock.Advance(TimeSpan.FromMinutes(5));
            scene.KillAtWrite(write);
            var killed = await Record.ExceptionAsync(scene.TickAsync);
            scene.Store.Before = null;

            await scene.NewProcess().Tick.TickAsync(Cancellation);

            Assert.Equal(["12:05"], await scene.StartedAsync());
            var schedule = await scene.GetAsync();
            Assert.Equal((await scene.RunsAsync())[0].RunId, schedule.LastRun!.RunId);
            Assert.Empty(schedule.Pending);
            if (killed is null)
            {
                Assert.True(write > 5, $"only {write - 1} writes were tried");
                return;
            }
        }
    }

    [Fact]
    public async Task A_lost_answer_to_any_write_starts_nothing_twice()
    {
        for (var write = 1; write <= 12; write++)
        {
            var scene = new ScheduleScene();
            await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
            scene.Clock.Advance(TimeSpan.FromMinutes(5));
            var (lost, writes) = (write, 0);
            scene.Store.After = (method, _) => method is not ("FindAsync" or "FindEntryAsync" or "ListAsync") && ++writes == lost
                ? throw new BlobStoreException("no answer", isTransient: true, null)
                : Task.CompletedTask;

            _ = await Record.ExceptionAsync(scene.TickAsync);
            await scene.TickAsync();
            await scene.NewProcess().Tick.TickAsync(Cancellation);

            Assert.Equal(["12:05"], await scene.StartedAsync());
            Assert.Empty((await scene.GetAsync()).Pending);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_read_that_fails_once_silences_no_schedule_of_the_same_process(bool cancelled)
    {
        var reads = int.MaxValue;
        for (var read = 1; read <= reads; read++)
        {
            var scene = new ScheduleScene();
            var often = ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Allow };
            var process = scene.NewProcess(new ConfiguredSchedule("configured", often));
            await scene.CreateAsync(often);
            await scene.TickAtAsync("12:01:00", process);
            await scene.TickAtAsync("12:05:00", process);
            var (failing, count) = (read, 0);
            scene.Store.Before = (method, _) => method is "FindAsync" or "FindEntryAsync" or "ListAsync" && ++count == failing
                ? throw (cancelled ? new OperationCanceledException() : new BlobStoreException("503", isTransient: true, null))
                : Task.CompletedTask;

            await Record.ExceptionAsync(() => scene.TickAtAsync("12:10:00", process));
            reads = Math.Min(reads, count < read ? count : int.MaxValue);
            scene.Store.Before = null;
            await scene.TickAtAsync("12:10:10", process);
            await scene.TickAtAsync("12:15:00", process);

            Assert.Equal(["12:05", "12:05", "12:10", "12:10", "12:15", "12:15"], await scene.StartedAsync());
        }

        Assert.True(reads > 5, $"only {reads} reads were tried");
    }

    [Fact]
    public async Task A_clock_that_steps_back_starts_nothing_twice_and_goes_on()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Allow });
        await scene.TickAtAsync("12:10:00");

        scene.Clock.JumpWallClock(-TimeSpan.FromMinutes(7));
        foreach (var time in (string[])["12:05:00", "12:10:00", "12:10:10", "12:15:00"])
        {
            await scene.TickAtAsync(time);
        }

        await scene.TickAtAsync("12:15:10", scene.NewProcess());
        Assert.Equal(["12:10", "12:15"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_clock_that_was_far_ahead_does_not_silence_a_schedule()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Allow });
        var ahead = new ManualTimeProvider(ScheduleScene.Start.AddYears(1));
        await scene.NewProcess(new CoreOptions(), ahead).Tick.TickAsync(Cancellation);
        var wrong = Assert.Single(await scene.RunsAsync());

        await scene.TickAtAsync("12:01:00");
        var healed = await scene.GetAsync();
        await scene.TickAtAsync("12:05:00");

        Assert.Contains("clock was wrong", healed.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal("2026-11-25T12:05:00.000Z", Assert.Single(await scene.RunsAsync(), run => run.RunId != wrong.RunId).Trigger.DeliveryId);
    }

    [Fact]
    public async Task A_run_that_a_clock_far_ahead_started_is_not_the_latest_for_ever_so_that_none_overlaps_afterwards()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Skip });
        await scene.NewProcess(new CoreOptions(), new ManualTimeProvider(ScheduleScene.Start.AddYears(1))).Tick.TickAsync(Cancellation);
        var wrong = Assert.Single(await scene.RunsAsync());
        await EndAllAsync(scene);

        await scene.TickAtAsync("12:01:00");
        var healed = (await scene.GetAsync()).LastRun!;
        await scene.TickAtAsync("12:05:00");
        var latest = (await scene.GetAsync()).LastRun!;
        await scene.TickAtAsync("12:10:00");

        Assert.Equal((wrong.RunId, null, true), (healed.RunId, healed.Instant, healed.At <= scene.Clock.GetUtcNow()));
        Assert.Equal("2026-11-25T12:05:00.000Z", TimeText.Format(latest.Instant!.Value));
        Assert.Equal(latest.RunId, Assert.Single(await scene.RunsAsync(), run => run.RunId != wrong.RunId).RunId);
    }

    [Theory]
    [InlineData("made")]
    [InlineData("changed")]
    [InlineData("resumed")]
    public async Task A_clock_that_was_far_ahead_when_a_schedule_was_made_changed_or_resumed_does_not_silence_it(string how)
    {
        var scene = new ScheduleScene();
        var wrong = scene.NewProcess(new CoreOptions(), new ManualTimeProvider(ScheduleScene.Start.AddYears(1))).Schedules;
        var definition = ScheduleScene.Every("*/5 * * * *");
        if (how == "made")
        {
            await wrong.CreateAsync("s", definition, paused: false, "ann", Cancellation);
        }
        else
        {
            await scene.CreateAsync(ScheduleScene.Every("0 0 1 1 *"));
            await scene.Process.Schedules.PauseAsync("s", "ann", Cancellation);
            await (how == "changed" ? wrong : scene.Process.Schedules).UpdateAsync("s", definition, paused: null, "ann", Cancellation);
            await (how == "resumed" ? wrong : scene.Process.Schedules).ResumeAsync("s", "ann", Cancellation);
        }

        await scene.TickAtAsync("12:01:00");
        var healed = await scene.GetAsync();
        await scene.TickAtAsync("12:05:00");

        Assert.Contains("clock was wrong", healed.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(["12:05"], await scene.StartedAsync());
    }

    /// <summary>The store's clock says which of two hosts is wrong.</summary>
    [Fact]
    public async Task A_host_whose_clock_is_far_behind_leaves_a_sound_schedule_as_it_is()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        await scene.Process.Schedules.PauseAsync("s", "ann", Cancellation);
        await scene.Process.Schedules.ResumeAsync("s", "ann", Cancellation);
        var sound = await scene.GetAsync();

        await scene.NewProcess(new CoreOptions(), new ManualTimeProvider(ScheduleScene.Start.AddYears(-1))).Tick.TickAsync(Cancellation);

        Assert.Equal((sound.Since, sound.ResumedAt, null), ((await scene.GetAsync()).Since, (await scene.GetAsync()).ResumedAt, (await scene.GetAsync()).LastError));
    }

    [Fact]
    public async Task A_clock_that_was_far_ahead_when_a_host_first_saw_a_schedule_of_its_configuration_silences_it_in_no_process()
    {
        var scene = new ScheduleScene();
        var configured = new CoreOptions { Schedules = [new("s", ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Allow })] };
        var clock = new ManualTimeProvider(ScheduleScene.Start.AddYears(1));
        var wrong = scene.NewProcess(configured, clock);
        await wrong.Tick.TickAsync(Cancellation);
        var right = scene.NewProcess(configured);

        // The clock is put right while both go on: one puts the schedule back, the other only what it remembers of it.
        clock.JumpWallClock(ScheduleScene.Start - clock.GetUtcNow());
        await scene.TickAtAsync("12:01:00", right);
        var healed = await scene.GetAsync();
        await wrong.Tick.TickAsync(Cancellation);
        Assert.Contains("clock was wrong", healed.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(healed.LastError, (await scene.GetAsync()).LastError);

        await scene.TickAtAsync("12:05:00", right);
        clock.Advance(TimeSpan.FromMinutes(10));
        await wrong.Tick.TickAsync(Cancellation);
        Assert.Equal(["12:05", "12:10"], await scene.StartedAsync());
    }

    [Theory]
    [InlineData(MissedRuns.Skip, "1d", new string[0])]
    [InlineData(MissedRuns.One, "1d", new[] { "14:00" })]
    [InlineData(MissedRuns.All, "1d", new[] { "12:30", "13:00", "13:30", "14:00" })]
    [InlineData(MissedRuns.All, "1h", new[] { "13:30", "14:00" })]
    [InlineData(MissedRuns.One, "15m", new string[0])]
    public async Task Times_missed_while_nobody_ticked_are_made_up_for_as_the_schedule_says(MissedRuns missed, string window, string[] expected)
    {
        Assert.True(DurationText.TryParse(window, out var within));
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/30 * * * *") with { Missed = missed, MissedWindow = within });

        await scene.TickAtAsync("14:20:00", scene.NewProcess());

        Assert.Equal(expected, await scene.StartedAsync());
        Assert.Equal(expected.Length < 4, (await scene.GetAsync()).LastSkipped is not null);

        // The next is on time again, whatever was missed.
        await EndAllAsync(scene);
        await scene.TickAtAsync("14:30:05");
        Assert.Equal([.. expected, "14:30"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_time_that_is_a_few_minutes_old_is_not_missed()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("30 12 * * *") with { Missed = MissedRuns.Skip });

        await scene.TickAtAsync("12:34:59");

        Assert.Equal(["12:30"], await scene.StartedAsync());
    }

    [Fact]
    public async Task Never_more_than_a_hundred_are_made_up_for_and_the_latest_are()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("* * * * *") with { Missed = MissedRuns.All, Overlap = ScheduleOverlap.Allow });

        await scene.TickAtAsync("15:00:00");

        var started = await scene.StartedAsync();
        Assert.Equal((100, "13:21", "15:00"), (started.Count, started[0], started[^1]));
        Assert.Equal(80, (await scene.GetAsync()).LastSkipped!.Count);
    }

    [Fact]
    public async Task Overlap_skip_leaves_a_time_out_while_a_run_is_alive_and_says_so()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        await scene.TickAtAsync("12:05:00");
        await scene.TickAtAsync("12:10:00");
        var skipped = (await scene.GetAsync()).LastSkipped!;

        await EndAllAsync(scene);
        await scene.TickAtAsync("12:15:00");

        Assert.Contains("overlap", skipped.Reason, StringComparison.Ordinal);
        Assert.Equal(["12:05", "12:15"], await scene.StartedAsync());
    }

    [Fact]
    public async Task Overlap_queue_starts_them_under_one_concurrency_key_and_allow_without_any()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Queue });
        await scene.Process.Schedules.CreateAsync("free", ScheduleScene.Every("*/5 * * * *") with { Overlap = ScheduleOverlap.Allow }, false, null, Cancellation);
        await scene.TickAtAsync("12:05:00");
        await scene.TickAtAsync("12:10:00");

        var runs = await scene.RunsAsync();
        Assert.All(runs, run => Assert.Equal(run.Trigger.Name == "s" ? "schedule:s" : null, run.Request.ConcurrencyKey));
        Assert.Equal(4, runs.Count);
    }

    [Fact]
    public async Task A_pause_starts_nothing_and_what_came_meanwhile_is_not_missed()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *") with { Missed = MissedRuns.All });
        await scene.Process.Schedules.PauseAsync("s", "ann", Cancellation);
        await scene.TickAtAsync("12:20:00");
        Assert.Null((await scene.GetAsync()).FindNext());

        await scene.Process.Schedules.ResumeAsync("s", "ann", Cancellation);
        await scene.TickAtAsync("12:21:00");
        Assert.Empty(await scene.RunsAsync());
        await scene.TickAtAsync("12:25:00");

        Assert.Equal(["12:25"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_full_queue_is_told_and_tried_again()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        var limited = scene.NewProcess(new CoreOptions { Intake = new() { MaxQueued = 1 } });
        await limited.Intake.SubmitAsync(new() { Request = new() { Prompt = "other" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation);

        await scene.TickAtAsync("12:05:00", limited);
        var full = await scene.GetAsync();
        await EndAllAsync(scene);
        scene.Clock.Advance(TimeSpan.FromSeconds(20));
        await limited.Tick.TickAsync(Cancellation);

        Assert.Contains("max_queued", full.LastError!.Message, StringComparison.Ordinal);
        Assert.Single(full.Pending);
        Assert.Equal(["12:05", "now"], await scene.StartedAsync());
        Assert.Null((await scene.GetAsync()).LastError);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Times_of_the_old_definition_that_waited_for_room_are_not_started_once_the_times_changed(bool configured)
    {
        var scene = new ScheduleScene();
        var (old, next) = (ScheduleScene.Every("*/5 * * * *"), ScheduleScene.Every("0 18 * * *") with { Request = new() { Prompt = "new" } });
        var full = new IntakeOptions { MaxQueued = 1 };
        OzCore NewHost(ScheduleDefinition definition) => scene.NewProcess(new CoreOptions { Intake = full, Schedules = configured ? [new("s", definition)] : [] });
        var host = NewHost(old);
        if (!configured)
        {
            await scene.CreateAsync(old);
        }

        await host.Intake.SubmitAsync(new() { Request = new() { Prompt = "other" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation);
        await scene.TickAtAsync("12:01:00", host);
        await scene.TickAtAsync("12:05:00", host);
        Assert.Single((await scene.GetAsync()).Pending);

        if (configured)
        {
            host = NewHost(next);
        }
        else
        {
            await host.Schedules.UpdateAsync("s", next, null, "bob", Cancellation);
        }

        await EndAllAsync(scene);
        await scene.TickAtAsync("12:06:00", host);

        Assert.Equal(["now"], await scene.StartedAsync());
        Assert.Empty((await scene.GetAsync()).Pending);
        await scene.TickAtAsync("18:00:00", host);
        Assert.Equal(["18:00", "now"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_change_that_leaves_the_times_alone_drops_none_that_waits_for_room()
    {
        var scene = new ScheduleScene();
        var old = ScheduleScene.Every("*/5 * * * *");
        await scene.CreateAsync(old);
        var limited = scene.NewProcess(new CoreOptions { Intake = new() { MaxQueued = 1 } });
        await limited.Intake.SubmitAsync(new() { Request = new() { Prompt = "other" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation);
        await scene.TickAtAsync("12:05:00", limited);

        await limited.Schedules.UpdateAsync("s", old with { Request = new() { Prompt = "new" } }, null, "bob", Cancellation);
        await EndAllAsync(scene);
        await scene.TickAtAsync("12:06:00", limited);

        Assert.Equal(["12:05", "now"], await scene.StartedAsync());
    }

    [Fact]
    public async Task A_thousand_schedules_with_nothing_due_cost_one_listing_and_no_read()
    {
        var scene = new ScheduleScene();
        for (var n = 0; n < 1000; n++)
        {
            await scene.Process.Schedules.CreateAsync($"s{n}", ScheduleScene.Every("0 0 * * *"), false, null, Cancellation);
        }

        await scene.TickAsync();
        var calls = new List<string>();
        scene.Store.Before = (method, name) =>
        {
            calls.Add($"{method} {name}");
            return Task.CompletedTask;
        };
        scene.Clock.Advance(TimeSpan.FromSeconds(10));
        await scene.TickAsync();

        Assert.Equal("ListAsync schedules/", Assert.Single(calls, call => call.Contains("schedules/", StringComparison.Ordinal)));
        Assert.DoesNotContain(calls, call => call.StartsWith("FindAsync", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_schedule_nobody_can_read_does_not_stop_the_others()
    {
        var scene = new ScheduleScene();
        await scene.CreateAsync(ScheduleScene.Every("*/5 * * * *"));
        await scene.Store.PutAsync("schedules/broken.json", "{"u8.ToArray(), Cancellation);
        await scene.Store.PutAsync("schedules/newer.json", """{"schema":9}"""u8.ToArray(), Cancellation);

        await scene.TickAtAsync("12:05:00");

        Assert.Equal(["12:05"], await scene.StartedAsync());
    }

    internal static async Task EndAllAsync(ScheduleScene scene)
    {
        foreach (var run in await scene.RunsAsync())
        {
            await scene.Process.Cancels.CancelAsync(run.RunId, "test", null, Cancellation);
        }
    }
}
