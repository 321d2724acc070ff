using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Retention;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>T6: ended runs go after their time, whole, and nothing else ever does.</summary>
public sealed class RetentionTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task An_ended_run_goes_after_its_time_key_first_and_the_record_last()
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");
        var deleted = new ConcurrentQueue<string>();
        world.Store.Before = (call, name) =>
        {
            if (call == "TryDeleteAsync")
            {
                deleted.Enqueue(name);
            }

            return Task.CompletedTask;
        };
        var core = CoreOf(world, TimeSpan.FromDays(30));

        world.Clock.Shift(TimeSpan.FromDays(30) - TimeSpan.FromMinutes(1));
        await core.Tick.TickAsync(Cancellation);
        Assert.NotNull(await world.FindAsync(run));
        world.Clock.Shift(TimeSpan.FromHours(2));
        await core.Tick.TickAsync(Cancellation);

        Assert.Null(await world.FindAsync(run));
        Assert.Empty(await world.NamesAsync("data/"));
        Assert.Empty(await world.NamesAsync("keys/"));
        string[] order = [.. deleted.Where(name => !name.StartsWith("hosts/", StringComparison.Ordinal) && !name.StartsWith("signals/", StringComparison.Ordinal))];
        Assert.Equal([$"keys/{RunBlobs.Hash("cli:k")}.json", RunBlobs.Record(run)], [order[0], order[^1]]);
        Assert.Equal([$"data/{run}/1/artifacts/a.txt", $"data/{run}/1/log.ndjson"], order[1..^1].Order(StringComparer.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task Without_a_setting_runs_are_kept_for_ever()
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");

        world.Clock.Shift(TimeSpan.FromDays(4_000));
        await CoreOf(world, kept: null).Tick.TickAsync(Cancellation);

        Assert.NotNull(await world.FindAsync(run));
    }

    [Theory(Timeout = Limit)]
    [InlineData("data/")]
    [InlineData("keys/")]
    [InlineData("runs/")]
    public async Task A_removal_that_is_cut_off_is_finished_the_next_time(string at)
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");
        world.Clock.Shift(TimeSpan.FromDays(31));
        world.Store.Before = (call, name) => call == "TryDeleteAsync" && name.StartsWith(at, StringComparison.Ordinal) ? throw new IOException("cut off") : Task.CompletedTask;
        var core = CoreOf(world, TimeSpan.FromDays(30));
        await Assert.ThrowsAsync<IOException>(() => core.Removal.RemoveAsync(run, Cancellation));
        Assert.NotNull(await world.FindAsync(run));

        world.Store.Before = null;
        await core.Tick.TickAsync(Cancellation);

        Assert.Empty(await world.NamesAsync("runs/"));
        Assert.Empty(await world.NamesAsync("data/"));
        Assert.Empty(await world.NamesAsync("keys/"));
    }

    [Fact(Timeout = Limit)]
    public async Task What_lives_or_is_owed_is_not_removed()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        var waiting = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        Assert.Equal(RemovalResult.NotOver, (await core.Removal.RemoveAsync(waiting, Cancellation)).Result);

        await core.Cancels.CancelAsync(waiting, "ann", null, Cancellation);
        await world.Blobs.PutAsync(RunBlobs.Active(waiting), default, Cancellation);
        Assert.Equal(RemovalResult.Owed, (await core.Removal.RemoveAsync(waiting, Cancellation)).Result);
        Assert.NotNull(await world.FindAsync(waiting));

        await world.Blobs.TryDeleteAsync(RunBlobs.Active(waiting), null, Cancellation);
        Assert.Equal(RemovalResult.Removed, (await core.Removal.RemoveAsync(waiting, Cancellation)).Result);
        Assert.Equal(RemovalResult.NotFound, (await core.Removal.RemoveAsync(waiting, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_answers_repeats_for_a_day_at_least()
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");
        var core = CoreOf(world, kept: null);

        var answer = await core.Removal.RemoveAsync(run, Cancellation);
        Assert.Equal(RemovalResult.KeyTooYoung, answer.Result);
        Assert.InRange(answer.Wait, TimeSpan.FromHours(23), TimeSpan.FromHours(24));
        Assert.Equal(run, (await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation)).Run.RunId);

        world.Clock.Shift(TimeSpan.FromHours(25));
        Assert.Equal(RemovalResult.Removed, (await core.Removal.RemoveAsync(run, Cancellation)).Result);
        Assert.NotEqual(run, (await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation)).Run.RunId);
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_repeat_that_read_a_key_just_before_it_went_does_not_bring_the_run_back(bool taken)
    {
        await using var world = new World();
        var core = CoreOf(world, kept: null);
        var removed = (await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation)).Run.RunId;
        await core.Cancels.CancelAsync(removed, "ann", null, Cancellation);
        world.Clock.Shift(TimeSpan.FromHours(25));
        RunId? others = null;
        world.Store.After = async (method, name) =>
        {
            if (method == nameof(IBlobStore.FindAsync) && name.StartsWith("keys/", StringComparison.Ordinal))
            {
                world.Store.After = null;
                Assert.Equal(RemovalResult.Removed, (await core.Removal.RemoveAsync(removed, Cancellation)).Result);
                others = taken ? (await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation)).Run.RunId : null;
            }
        };

        var answer = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.NotEqual(removed, answer.Run.RunId);
        Assert.Equal((others ?? answer.Run.RunId, !taken), (answer.Run.RunId, answer.Created));
        Assert.Equal([RunBlobs.Record(answer.Run.RunId)], await world.NamesAsync("runs/"));
        Assert.Equal(answer.Run.RunId, (await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation)).Run.RunId);
    }

    [Fact(Timeout = Limit)]
    public async Task A_webhooks_key_answers_repeats_for_as_long_as_its_log_remembers_the_delivery()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        var ask = World.Ask() with { Trigger = new() { Kind = TriggerKind.Webhook, Name = "issues", DeliveryId = "d-1" }, Key = IntakeKeys.Webhook("issues", "d-1") };
        var run = (await core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId;
        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);

        world.Clock.Shift(DeliveryLog.Kept - TimeSpan.FromHours(1));
        await core.Tick.TickAsync(Cancellation);
        Assert.Equal(RemovalResult.KeyTooYoung, (await core.Removal.RemoveAsync(run, Cancellation)).Result);
        Assert.Equal(run, (await core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId);

        world.Clock.Shift(TimeSpan.FromHours(2));
        Assert.Equal(RemovalResult.Removed, (await core.Removal.RemoveAsync(run, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task A_key_that_leads_elsewhere_stays()
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");
        var name = $"keys/{RunBlobs.Hash("cli:k")}.json";
        await world.Blobs.PutAsync(name, "{}"u8.ToArray(), Cancellation);

        Assert.Equal(RemovalResult.Removed, (await CoreOf(world, kept: null).Removal.RemoveAsync(run, Cancellation)).Result);
        Assert.Equal([name], await world.NamesAsync("keys/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_large_clean_up_is_spread_over_ticks()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        await EndManyAsync(core, 45, webhook: false);

        var left = new List<int>();
        world.Clock.Shift(TimeSpan.FromDays(2));
        for (var tick = 0; tick < 4; tick++)
        {
            await core.Tick.TickAsync(Cancellation);
            left.Add((await world.NamesAsync("runs/")).Count);
        }

        Assert.Equal([25, 5, 0, 0], left);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_with_very_many_files_is_spread_over_ticks_and_its_record_goes_last()
    {
        await using var world = new World();
        var lines = new LogLines();
        var core = CoreOf(world, TimeSpan.FromDays(1), lines);
        await EndManyAsync(core, 2, webhook: false);
        var runs = (await world.NamesAsync("runs/")).Select(name => RunBlobs.TryParseRecord(name, out var run) ? run : default).ToList();
        for (var file = 0; file < 1100; file++)
        {
            await world.Blobs.PutAsync(RunBlobs.Artifact(runs[0], 1, $"{file:d4}.txt"), "kept"u8.ToArray(), Cancellation);
        }

        await world.Blobs.PutAsync(RunBlobs.Artifact(runs[1], 1, "a.txt"), "kept"u8.ToArray(), Cancellation);
        var left = new List<(int, int)>();
        world.Clock.Shift(TimeSpan.FromDays(2));
        for (var tick = 0; tick < 4; tick++)
        {
            await core.Tick.TickAsync(Cancellation);
            left.Add(((await world.NamesAsync("runs/")).Count, (await world.NamesAsync("data/")).Count));
        }

        Assert.Equal([(2, 601), (2, 101), (0, 0), (0, 0)], left);
        Assert.Single(lines.Written, line => line == "Information: Retention removed 2 ended runs, 4404 bytes of logs and artifacts");
    }

    [Fact(Timeout = Limit)]
    public async Task A_removal_by_hand_takes_every_file_at_once()
    {
        await using var world = new World();
        var core = CoreOf(world, kept: null);
        await EndManyAsync(core, 1, webhook: false);
        Assert.True(RunBlobs.TryParseRecord((await world.NamesAsync("runs/"))[0], out var run));
        for (var file = 0; file < 1100; file++)
        {
            await world.Blobs.PutAsync(RunBlobs.Artifact(run, 1, $"{file:d4}.txt"), "kept"u8.ToArray(), Cancellation);
        }

        world.Clock.Shift(TimeSpan.FromDays(2));
        var answer = await core.Removal.RemoveAsync(run, Cancellation);

        Assert.Equal((RemovalResult.Removed, 1100, 4400L), (answer.Result, answer.Files, answer.Bytes));
        Assert.Empty(await world.NamesAsync("runs/"));
        Assert.Empty(await world.NamesAsync("data/"));
    }

    [Fact(Timeout = Limit)]
    public async Task Runs_that_may_not_go_yet_in_front_make_no_tick_remove_more()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        await EndManyAsync(core, 45, webhook: false);
        await EndManyAsync(core, 20, webhook: true);

        var left = new List<int>();
        world.Clock.Shift(TimeSpan.FromDays(2));
        for (var tick = 0; tick < 4; tick++)
        {
            await core.Tick.TickAsync(Cancellation);
            left.Add((await world.NamesAsync("runs/")).Count - 20);
        }

        Assert.Equal([25, 5, 0, 0], left);
    }

    [Fact(Timeout = Limit)]
    public async Task Runs_that_may_not_go_yet_are_looked_at_a_hundred_a_tick_and_once_a_walk()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        await EndManyAsync(core, 230, webhook: true);
        var looks = 0;
        world.Store.Before = (call, name) =>
        {
            looks += call == "FindAsync" && name.StartsWith("runs/", StringComparison.Ordinal) ? 1 : 0;
            return Task.CompletedTask;
        };

        var seen = new List<int>();
        world.Clock.Shift(TimeSpan.FromDays(2));
        for (var tick = 0; tick < 4; tick++)
        {
            await core.Tick.TickAsync(Cancellation);
            seen.Add(looks);
            looks = 0;
        }

        Assert.Equal([100, 100, 30, 0], seen);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_whose_removal_an_outage_cut_off_is_the_next_ticks_first()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        await EndManyAsync(core, 2, webhook: false);
        world.Clock.Shift(TimeSpan.FromDays(2));
        world.Store.Before = (call, name) => call == "TryDeleteAsync" && name.StartsWith("runs/", StringComparison.Ordinal) ? throw new BlobStoreException("away", isTransient: true, null) : Task.CompletedTask;
        await Assert.ThrowsAsync<BlobStoreException>(() => core.Tick.TickAsync(Cancellation));

        world.Store.Before = null;
        await core.Tick.TickAsync(Cancellation);

        Assert.Empty(await world.NamesAsync("runs/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_the_store_refuses_to_remove_keeps_none_of_the_others()
    {
        await using var world = new World();
        var core = CoreOf(world, TimeSpan.FromDays(1));
        await EndManyAsync(core, 3, webhook: false);
        world.Clock.Shift(TimeSpan.FromDays(2));
        var held = (await world.NamesAsync("runs/"))[0];
        world.Store.Before = (call, name) => call == "TryDeleteAsync" && name == held ? throw new BlobStoreException("a hold is on it", isTransient: false, null) : Task.CompletedTask;

        await core.Tick.TickAsync(Cancellation);

        Assert.Equal([held], await world.NamesAsync("runs/"));
    }

    [Fact(Timeout = Limit)]
    public async Task Files_that_were_written_after_their_run_was_removed_go_a_day_later_and_no_others()
    {
        await using var world = new World();
        var run = await EndOneAsync(world, "k");
        var core = CoreOf(world, TimeSpan.FromDays(30));
        var kept = (await core.Intake.SubmitAsync(new() { Request = new() { Prompt = "p", WorkerId = "nobody" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation)).Run.RunId;
        await world.Blobs.PutAsync(RunBlobs.Log(kept, 1), "{}\n"u8.ToArray(), Cancellation);
        await world.Blobs.PutAsync("data/notes.txt", "a person's"u8.ToArray(), Cancellation);
        world.Clock.Shift(TimeSpan.FromDays(31));
        await core.Tick.TickAsync(Cancellation);
        Assert.Null(await world.FindAsync(run));

        await world.Blobs.PutAsync(RunBlobs.Artifact(run, 1, "late.txt"), "late"u8.ToArray(), Cancellation);
        var young = RunBlobs.Log(RunId.Create(world.Clock), 1);
        await world.Blobs.PutAsync(young, "{}\n"u8.ToArray(), Cancellation);
        string[] others = [RunBlobs.Log(kept, 1), "data/notes.txt", young];
        await CoreOf(world, TimeSpan.FromDays(30)).Tick.TickAsync(Cancellation);
        Assert.Equal(others.Append(RunBlobs.Artifact(run, 1, "late.txt")).Order(StringComparer.Ordinal), (await world.NamesAsync("data/")).Order(StringComparer.Ordinal));

        world.Clock.Shift(TimeSpan.FromHours(25));
        await core.Tick.TickAsync(Cancellation);
        Assert.Equal(others.Order(StringComparer.Ordinal), (await world.NamesAsync("data/")).Order(StringComparer.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task Any_number_of_old_files_are_looked_through_a_few_a_tick_and_not_again_that_day()
    {
        await using var world = new World();
        var old = RunId.Create(world.Clock);
        for (var file = 0; file < 250; file++)
        {
            await world.Blobs.PutAsync(RunBlobs.Artifact(old, 1, $"{file:d3}.txt"), "late"u8.ToArray(), Cancellation);
        }

        world.Clock.Shift(TimeSpan.FromDays(31));
        var (core, listings) = (CoreOf(world, TimeSpan.FromDays(30)), 0);
        world.Store.Before = (call, name) =>
        {
            listings += call == "ListAsync" && name == "data/" ? 1 : 0;
            return Task.CompletedTask;
        };
        var left = new List<int>();
        for (var tick = 0; tick < 5; tick++)
        {
            await core.Tick.TickAsync(Cancellation);
            left.Add(world.Store.Names.Count(name => name.StartsWith("data/", StringComparison.Ordinal)));
        }

        Assert.Equal([150, 50, 0, 0, 0], left);
        Assert.Equal(3, listings);
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_policy_keeps_from_a_sweep_keeps_neither_what_lies_beside_it_nor_retention_and_is_told_once()
    {
        await using var world = new World();
        var lines = new LogLines();
        var core = CoreOf(world, TimeSpan.FromDays(1), lines);
        await EndManyAsync(core, 1, webhook: false);
        var dead = world.NewProcess();
        world.StartHost(dead, world.NewMachine());
        await world.UntilAsync(async () => (await world.NamesAsync("hosts/")).Count == 1, Cancellation);
        dead.Kill();
        await dead.NothingOnTheWayAsync();
        var inverted = RunBlobs.Invert(world.Clock.GetUtcNow().ToUnixTimeMilliseconds());
        string[] kept = ["bodies/hook/a.json", $"deliveries/in/hook/{inverted}-a.json", "deliveries/out/a.json", .. await world.NamesAsync("hosts/")];
        foreach (var name in new[] { "bodies/hook/", $"deliveries/in/hook/{inverted}-", "deliveries/out/" })
        {
            await world.Blobs.PutAsync(name + "a.json", default, Cancellation);
            await world.Blobs.PutAsync(name + "b.json", default, Cancellation);
        }

        world.Store.Before = (call, name) => call == "TryDeleteAsync" && kept.Contains(name) ? throw new BlobStoreException("409 BlobImmutableDueToPolicy", isTransient: false, null) : Task.CompletedTask;
        for (var tick = 0; tick < 3; tick++)
        {
            world.Clock.Shift(TimeSpan.FromDays(31));
            await core.Tick.TickAsync(Cancellation);
        }

        Assert.Empty(await world.NamesAsync("runs/"));
        string[] left = [.. await world.NamesAsync("bodies/"), .. await world.NamesAsync("deliveries/"), .. await world.NamesAsync("hosts/")];
        Assert.Equal(kept, left);
        Assert.Equal(kept.Length, lines.Written.Count(line => line.Contains("could not be removed, it is tried again and not told again: 409 BlobImmutableDueToPolicy", StringComparison.Ordinal)));
    }

    /// <summary>Runs with a key of their own that ended unstarted.</summary>
    private static async Task EndManyAsync(OzCore core, int count, bool webhook)
    {
        for (var i = 0; i < count; i++)
        {
            var ask = webhook
                ? World.Ask() with { Trigger = new() { Kind = TriggerKind.Webhook, Name = "issues", DeliveryId = $"d-{i}" }, Key = IntakeKeys.Webhook("issues", $"d-{i}") }
                : World.Ask();
            await core.Cancels.CancelAsync((await core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId, "ann", null, Cancellation);
        }
    }

    /// <summary>One run by a host, with a log and an artifact.</summary>
    private static async Task<RunId> EndOneAsync(World world, string key)
    {
        world.StartHost(world.NewMachine());
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(key: key), Cancellation)).Run.RunId;
        await world.UntilSettledAsync(run, Cancellation);
        await world.Blobs.TryDeleteAsync(RunBlobs.Log(run, 1), null, Cancellation);
        await world.Blobs.TryAppendAsync(RunBlobs.Log(run, 1), 0, "{}\n"u8.ToArray(), Cancellation);
        await world.Blobs.PutAsync(RunBlobs.Artifact(run, 1, "a.txt"), "kept"u8.ToArray(), Cancellation);
        return run;
    }

    private static OzCore CoreOf(World world, TimeSpan? kept, ILoggerFactory? loggers = null) => new(
        new OzPorts { StoreId = "test", Blobs = world.Blobs, Bell = world.Bell, HostLock = new NoHostLock(), Publishers = [], Time = world.Clock },
        new() { Retention = new() { Runs = kept } },
        loggers ?? NullLoggerFactory.Instance);
}
