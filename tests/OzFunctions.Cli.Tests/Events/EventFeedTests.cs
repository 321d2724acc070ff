using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Cli.Events;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Events;

/// <summary>What <c>ozf events -f</c> shows, and what a look costs, on a store in memory.</summary>
public sealed class EventFeedTests
{
    private readonly ManualTimeProvider _time = new();
    private readonly InMemoryBlobStore _blobs;
    private readonly OzCore _core;
    private readonly EventFeed _feed;

    /// <summary>Of those who submit.</summary>
    private ManualTimeProvider _theirs;
    private int _reads;

    public EventFeedTests()
    {
        _theirs = _time;
        _blobs = new(_time)
        {
            Before = (method, name) =>
            {
                _reads += method == nameof(IBlobStore.FindAsync) && name.StartsWith(RunBlobs.RecordPrefix, StringComparison.Ordinal) ? 1 : 0;
                return Task.CompletedTask;
            },
        };
        _core = new(
            new()
            {
                StoreId = "store",
                Blobs = _blobs,
                Bell = new InMemoryBell(_time),
                HostLock = new InMemoryHostLock(_time),
                Publishers = [],
                Time = _time,
            },
            new(),
            new LogLines());
        _feed = new(_core);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task A_look_reads_the_records_of_runs_that_ended_and_of_none_that_waits()
    {
        var waiting = await AcceptAsync(1_300, TimeSpan.FromSeconds(1));
        await _feed.ReadPastAsync(20, Cancellation);
        await EndAsync(waiting[0]);
        await EndAsync(waiting[^1]);
        _reads = 0;

        Assert.Equal([waiting[0], waiting[^1]], await LookAsync());
        Assert.Equal(2, _reads);

        Assert.Empty(await LookAsync());
        Assert.Equal(2, _reads);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(0)]
    [InlineData(-60)]
    [InlineData(60)]
    public async Task However_many_come_and_go_between_two_looks_each_is_shown_once_whatever_their_clock_says(int minutes)
    {
        _theirs = new(_time.GetUtcNow() + TimeSpan.FromMinutes(minutes));
        var past = await AcceptAsync(1, TimeSpan.FromMilliseconds(5));
        await EndAsync(past[0]);
        Assert.Equal(past, (await _feed.ReadPastAsync(20, Cancellation)).Select(run => run.RunId));

        var runs = await AcceptAsync(1_300, TimeSpan.FromMilliseconds(500));
        foreach (var run in runs)
        {
            await EndAsync(run);
        }

        Assert.Equal(runs, await LookAsync());
        Assert.Empty(await LookAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_run_whose_event_is_owed_for_long_is_shown_once_all_the_same_however_old_it_is()
    {
        var old = await AcceptAsync(1, TimeSpan.FromHours(2));
        foreach (var run in await AcceptAsync(2_300, TimeSpan.FromSeconds(1)))
        {
            await EndAsync(run);
        }

        await _feed.ReadPastAsync(20, Cancellation);
        await EndAsync(old[0], published: false);

        var shown = new List<RunId>();
        for (var looks = 0; looks < 10; looks++)
        {
            shown.AddRange(await LookAsync());
        }

        Assert.Equal(old, shown);
        await PublishAsync(old[0]);
        Assert.Empty(await LookAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_run_that_ended_and_whose_event_is_owed_again_by_the_next_look_is_shown_with_it()
    {
        var old = await AcceptAsync(1, TimeSpan.FromHours(2));
        foreach (var run in await AcceptAsync(1_300, TimeSpan.FromSeconds(1)))
        {
            await EndAsync(run);
        }

        await _feed.ReadPastAsync(20, Cancellation);
        await EndAsync(old[0]);
        await MarkAsync(old[0]);

        Assert.Equal(old, await LookAsync());
        Assert.Empty(await LookAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task What_ended_before_the_first_look_is_never_new_also_when_its_event_is_owed_again()
    {
        var past = await AcceptAsync(3, TimeSpan.FromSeconds(1));
        foreach (var run in past)
        {
            await EndAsync(run);
        }

        Assert.Equal(past[1..], (await _feed.ReadPastAsync(2, Cancellation)).Select(run => run.RunId));
        await MarkAsync(past[0]);

        Assert.Empty(await LookAsync());
        await PublishAsync(past[0]);
        Assert.Empty(await LookAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_look_that_the_store_cuts_off_loses_no_event()
    {
        await _feed.ReadPastAsync(20, Cancellation);
        var runs = await AcceptAsync(3, TimeSpan.FromSeconds(1));
        foreach (var run in runs)
        {
            await EndAsync(run);
        }

        _blobs.After = (method, name) => method == nameof(IBlobStore.FindAsync) && name == RunBlobs.Record(runs[1]) ? throw new BlobStoreException("away", isTransient: true, null) : Task.CompletedTask;
        await Assert.ThrowsAsync<BlobStoreException>(LookAsync);
        _blobs.After = null;

        Assert.Equal(runs, await LookAsync());
    }

    private async Task<IReadOnlyList<RunId>> LookAsync() => [.. (await _feed.ReadNewAsync(Cancellation)).Select(run => run.RunId)];

    /// <summary>Runs that wait, one after the other, so far apart.</summary>
    private async Task<RunId[]> AcceptAsync(int count, TimeSpan apart)
    {
        var accepted = new RunId[count];
        for (var index = 0; index < count; index++)
        {
            var (runId, now) = (RunId.Create(_theirs), _theirs.GetUtcNow());
            await MarkAsync(runId);
            Assert.True(await _core.Records.TryCreateAsync(
                new()
                {
                    RunId = runId,
                    State = RunState.Queued,
                    CreatedAt = now,
                    UpdatedAt = now,
                    WorkerId = "local",
                    Request = new() { Prompt = "x" },
                    Trigger = new() { Kind = TriggerKind.Cli },
                },
                Cancellation));
            accepted[index] = runId;
            Advance(apart);
        }

        return accepted;
    }

    private async Task EndAsync(RunId runId, bool published = true)
    {
        using var stored = JsonDocument.Parse("{}");
        var update = await _core.Records.UpdateAsync(
            runId,
            null,
            record => RecordDecision.Write(record with { State = RunState.Succeeded, Reason = RunReason.Completed, FinishedAt = _theirs.GetUtcNow(), Event = stored.RootElement.Clone() }),
            Cancellation);
        Assert.True(update.IsDone);
        Advance(TimeSpan.FromMilliseconds(1));
        if (published)
        {
            await PublishAsync(runId);
        }
    }

    private Task MarkAsync(RunId runId) => _blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, Cancellation);

    private Task PublishAsync(RunId runId) => _blobs.TryDeleteAsync(RunBlobs.Active(runId), match: null, Cancellation);

    private void Advance(TimeSpan by)
    {
        _time.Advance(by);
        if (_theirs != _time)
        {
            _theirs.Advance(by);
        }
    }
}
