using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Events;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

public sealed class LifecycleTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_waiting_run_is_cancelled_at_once_and_its_event_sent()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        var answer = await core.Cancels.CancelAsync(run, "ann", "not needed", Cancellation);

        Assert.Equal(CancelResult.Cancelled, answer.Result);
        Assert.Equal("Cancelled by ann: not needed", answer.Run!.Message);
        Assert.Equal([$"{run}:0:completed"], world.CompletionIds(run));
        Assert.Empty(await world.NamesAsync("ready/"));
        Assert.Empty(await world.NamesAsync("active/"));
        Assert.Equal(CancelResult.AlreadyFinished, (await core.Cancels.CancelAsync(run, "bob", null, Cancellation)).Result);
        Assert.Equal(CancelResult.NotFound, (await core.Cancels.CancelAsync(RunId.Create(world.Clock), "bob", null, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task A_lost_answer_of_a_cancel_is_still_a_success()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.LoseAnswerOf(1);

        Assert.Equal(CancelResult.Cancelled, (await core.Cancels.CancelAsync(run, "ann", null, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task A_running_run_is_cancelled_through_its_host()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        world.StartHost(world.NewMachine());
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        Assert.Equal(CancelResult.Requested, (await core.Cancels.CancelAsync(run, "ann", null, Cancellation)).Result);
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal((RunState.Cancelled, RunReason.TaskCancelled), (record.State, record.Reason));
        Assert.Equal("ann", record.Cancel!.By);
        Assert.Equal(RunState.Cancelled, record.CurrentAttempt!.State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_not_started_in_time_expires()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var ask = World.Ask();
        var run = (await core.Intake.SubmitAsync(ask with { Request = ask.Request with { ExpiresAt = world.Clock.GetUtcNow() + TimeSpan.FromHours(1) } }, Cancellation)).Run.RunId;

        world.Clock.Shift(TimeSpan.FromMinutes(59));
        await core.Tick.TickAsync(Cancellation);
        Assert.Equal(RunState.Queued, (await world.FindAsync(run))!.State);
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await core.Tick.TickAsync(Cancellation);

        Assert.Equal((RunState.Failed, RunReason.Expired), ((await world.FindAsync(run))!.State, (await world.FindAsync(run))!.Reason));
        Assert.Single(world.CompletionIds(run));
        Assert.Empty(await world.NamesAsync("later/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_waits_longer_than_the_queue_keeps_expires()
    {
        await using var world = new World();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        world.Clock.Shift(TimeSpan.FromDays(7) + TimeSpan.FromMinutes(1));
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        var record = (await world.FindAsync(run))!;
        Assert.Equal(RunReason.Expired, record.Reason);
        Assert.Contains("queue_ttl", record.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Failures_before_a_start_are_tried_again_three_times_then_the_run_ends()
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        TimeSpan[] pauses = [TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5)];
        foreach (var pause in pauses)
        {
            await LoseClaimAsync(world, run);
            var waiting = (await world.FindAsync(run))!;
            Assert.Equal((RunState.Queued, WaitingFor.Retry, 0), (waiting.State, waiting.WaitingFor, waiting.Starts));
            Assert.Equal(pause, TimeSpan.FromSeconds(Math.Round((waiting.RetryAt!.Value - waiting.UpdatedAt).TotalSeconds)));
            await core.Tick.TickAsync(Cancellation);
            Assert.DoesNotContain(await world.NamesAsync("ready/"), name => name.Contains(run.Value, StringComparison.Ordinal));
            world.Clock.Shift(pause + TimeSpan.FromSeconds(1));
            await core.Tick.TickAsync(Cancellation);
        }

        await LoseClaimAsync(world, run);

        var record = (await world.FindAsync(run))!;
        Assert.Equal((RunState.Error, RunReason.HostLost, 0, 4, 4), (record.State, record.Reason!.Value, record.Starts, record.PrestartFailures, record.Attempt));
        Assert.Equal([1, 2, 3, 4], record.Attempts.Select(attempt => attempt.Attempt));
        Assert.Single(world.CompletionIds(run));
    }

    [Fact(Timeout = Limit)]
    public async Task A_lost_start_is_repeated_when_the_request_allows_it()
    {
        await using var world = new World { SharedLocks = false };
        var ask = World.Ask();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { MaxAttempts = 2 } }, Cancellation)).Run.RunId;
        var process = world.NewProcess(ProtocolStep.C10);
        world.StartHost(process, world.NewMachine("lost"));
        await process.Killed.WaitAsync(Cancellation);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        world.StartHost(world.NewMachine("other"));

        var record = await world.UntilAsync(run, terminal => terminal.State.IsTerminal(), Cancellation);

        Assert.Equal((RunState.Succeeded, 2, 2), (record.State, record.Starts, record.Attempt));
        Assert.Equal([RunReason.HostLost, RunReason.Completed], record.Attempts.Select(attempt => attempt.Reason!.Value));
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_ended_with_its_machine_leaves_no_lock_of_its_concurrency_key()
    {
        await using var world = new World { SharedLocks = false };
        var ask = World.Ask();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { ConcurrencyKey = "repo" } }, Cancellation)).Run.RunId;
        var process = world.NewProcess(ProtocolStep.C10);
        world.StartHost(process, world.NewMachine("lost"));
        await process.Killed.WaitAsync(Cancellation);
        Assert.Single(await world.NamesAsync("locks/"));
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));

        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Equal(RunState.Error, (await world.FindAsync(run))!.State);
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_was_taken_over_from_writes_nothing_more()
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var machine = world.NewMachine("partitioned");
        world.StartHost(machine);
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        var started = await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        // What the backend wants the next one to know came with the same write.
        Assert.Equal("00ff", started.CurrentAttempt!.MasksSha256);

        // Others settled it meanwhile (T4), as after a partition; the owner's fence is older now.
        var records = new RunRecords(world.Blobs, world.Clock);
        var stored = (await records.FindAsync(run, Cancellation))!;
        var taken = stored.Record with { Owner = new("h-other", stored.Record.Fence + 1, "ffffffffffffffff") };
        Assert.NotNull(await records.TryReplaceAsync(stored, taken, Cancellation));
        world.Pulse();

        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.Directories.IsEmpty); }, Cancellation);
        var left = (await world.FindAsync(run))!;
        Assert.Equal((RunState.InProgress, taken.Owner), (left.State, left.Owner));
        Assert.Empty(world.CompletionIds(run));
    }

    [Fact(Timeout = Limit)]
    public async Task Drain_lets_a_run_finish_and_the_second_signal_stops_it()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var host = world.StartHost(world.NewMachine());
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        host.Drain();
        var later = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        Assert.False(world.RunningOf(host).IsCompleted);
        host.Drain();
        await world.RunningOf(host);

        Assert.Equal((RunState.Error, RunReason.GracefulShutdown), ((await world.FindAsync(run))!.State, (await world.FindAsync(run))!.Reason));
        Assert.Equal(RunState.Queued, (await world.FindAsync(later))!.State);
        Assert.Empty(await world.NamesAsync("hosts/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_lost_answer_of_the_write_that_puts_a_run_back_is_not_another_owner()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var process = world.NewProcess();
        var faults = new LostRequeue(world);
        process.Faults = faults;
        var host = world.StartHost(process, world.NewMachine());
        var ask = World.Ask(AgentPlan.UntilStopped);
        var run = (await core.Intake.SubmitAsync(ask with { Request = ask.Request with { MaxAttempts = 2 } }, Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        host.Drain();
        host.Drain();
        await world.RunningOf(host);

        Assert.True(faults.Met);
        var record = (await world.FindAsync(run))!;
        Assert.Equal((RunState.Queued, RunReason.GracefulShutdown), (record.State, record.CurrentAttempt!.Reason));
        Assert.Contains(ProtocolStep.S7, process.Steps);
        Assert.Contains(ProtocolStep.S9, process.Steps);
        Assert.Contains(await world.NamesAsync("ready/"), name => name.Contains(run.Value, StringComparison.Ordinal));
    }

    /// <summary>The store does the first write that makes a run wait again, and does not answer.</summary>
    private sealed class LostRequeue(World world) : IPortFaults
    {
        public bool Met { get; private set; }

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            var answer = await make();
            if (!Met && call is { Writes: true, Port: "blobs" } && RunBlobs.TryParseRecord(call.Name, out var runId) && (await world.FindAsync(runId))!.State == RunState.Queued)
            {
                Met = true;
                throw new BlobStoreException("The store did not answer (503).", isTransient: true, null);
            }

            return answer;
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Detach_leaves_the_run_to_the_next_host_of_the_machine()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var machine = world.NewMachine();
        var host = world.StartHost(machine);
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        host.Detach();
        await world.RunningOf(host);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(run))!.State);
        Assert.Single(await world.NamesAsync("hosts/"));

        var next = world.StartHost(machine);
        await world.UntilAsync(run, record => record.Owner!.HostId == next.HostId, Cancellation);
        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal((RunState.Cancelled, 1, 1), (record.State, record.Starts, record.Attempt));
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_declared_dead_stops_its_agents_and_starts_anew_under_another_id()
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var host = world.StartHost(world.NewMachine());
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        var before = host.HostId;

        await world.Blobs.TryDeleteAsync($"hosts/{before}.json", null, Cancellation);
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(host.HostId != before); }, Cancellation);

        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);
        var next = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        Assert.Equal(host.HostId, (await world.UntilSettledAsync(next, Cancellation)).Owner!.HostId);
    }

    [Fact(Timeout = Limit)]
    public async Task A_publisher_that_fails_is_tried_again_by_the_tick()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        world.FailPublishing(1);
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.FailPublishing(1);
        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);
        var owed = (await world.FindAsync(run))!.Outbox!;
        Assert.Equal(("oz-events", 1), (owed[0].Publisher, owed[0].Tries));
        Assert.Empty(world.CompletionIds(run));

        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await core.Tick.TickAsync(Cancellation);

        Assert.Equal([$"{run}:0:completed"], world.CompletionIds(run));
        Assert.Empty(await world.NamesAsync("active/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_completion_event_is_this_json()
    {
        await using var world = new World();
        var machine = world.NewMachine("build-1");
        world.StartHost(machine);
        var ask = World.Ask(AgentPlan.Fails);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(
            ask with { Request = ask.Request with { Title = "Fix it", Metadata = new Dictionary<string, string> { ["pr"] = "7" } }, Traceparent = "00-1-2-01" }, Cancellation)).Run.RunId;

        var record = await world.UntilSettledAsync(run, Cancellation);
        var stored = RunEvents.FindStored(record)!;
        using var json = JsonDocument.Parse(stored.Json);
        var root = json.RootElement;

        Assert.Equal(
            ["specversion", "id", "source", "type", "subject", "time", "traceparent", "datacontenttype", "data"],
            root.EnumerateObject().Select(property => property.Name));
        Assert.Equal($"{run}:1:completed", root.GetProperty("id").GetString());
        Assert.Equal("/ozfunctions/workers/local", root.GetProperty("source").GetString());
        Assert.Equal("io.ozfunctions.run.completed.v1", root.GetProperty("type").GetString());
        Assert.Equal($"runs/{run}", root.GetProperty("subject").GetString());
        var data = root.GetProperty("data");
        Assert.Equal(
            ["run_id", "attempt", "state", "reason", "message", "exit_code", "title", "worker_id", "trigger", "metadata", "queued_at", "started_at", "finished_at", "durations", "host"],
            data.EnumerateObject().Select(property => property.Name));
        Assert.Equal(("FAILED", "agent_invocation", 3), (data.GetProperty("state").GetString(), data.GetProperty("reason").GetString(), data.GetProperty("exit_code").GetInt32()));
        Assert.Equal("build-1", data.GetProperty("host").GetString());
        var sent = world.Events.Single(sent => sent.Type == RunEvents.CompletedType);
        Assert.Equal(stored.Json.ToArray(), sent.Json.ToArray());

        // The queued event is sent after the bell rang: a quick host may be first.
        await world.UntilAsync(() => Task.FromResult(world.Events.Count == 3), Cancellation);
        Assert.Equivalent(new[] { RunEvents.QueuedType, RunEvents.StartedType, RunEvents.CompletedType }, world.Events.Select(known => known.Type));
    }

    [Fact]
    public async Task A_large_event_gives_its_artifacts_and_then_its_texts_away()
    {
        await using var world = new World();
        var events = new RunEvents(world.Blobs, publicUrl: new("https://oz.example"));
        var now = DateTimeOffset.FromUnixTimeMilliseconds(world.Clock.GetUtcNow().ToUnixTimeMilliseconds());
        var record = new RunRecord
        {
            RunId = RunId.Create(world.Clock),
            State = RunState.Succeeded,
            Reason = RunReason.Completed,
            CreatedAt = now,
            UpdatedAt = now,
            FinishedAt = now,
            WorkerId = "w",
            Request = new() { Prompt = "p", Metadata = Enumerable.Range(0, 32).ToDictionary(i => $"k{i}", _ => new string('ü', 256)) },
            Trigger = new() { Kind = TriggerKind.Queue },
            Attempt = 1,
            Attempts = [new() { Attempt = 1, HostId = "h", Artifacts = new(50, 1, 0), Log = new() { Lines = 1, Bytes = 2, Sealed = true, Sha256 = "00" } }],
        };
        var artifacts = Enumerable.Range(0, 50).Select(i => new Artifacts.ArtifactEntry { Path = new string('a', 900) + i, Bytes = 1, Sha256 = new string('0', 64) }).ToList();

        var rendered = events.Completed(record, artifacts);

        Assert.InRange(rendered.Json.Length, 1000, 48 * 1024);
        using var json = JsonDocument.Parse(rendered.Json);
        var data = json.RootElement.GetProperty("data");
        Assert.False(data.TryGetProperty("artifacts", out _));
        Assert.Equal($"https://oz.example/api/v1/agent/runs/{record.RunId}/artifacts", data.GetProperty("manifest_url").GetString());
        Assert.Equal($"https://oz.example/api/v1/agent/runs/{record.RunId}/log", data.GetProperty("log").GetProperty("url").GetString());
        Assert.True(data.TryGetProperty("metadata", out _));
    }

    [Fact(Timeout = Limit)]
    public async Task Markers_and_entries_lost_in_a_power_cut_are_made_again_from_the_records()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var waiting = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var ended = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await core.Cancels.CancelAsync(ended, "ann", null, Cancellation);
        foreach (var name in (string[])[.. await world.NamesAsync("active/"), .. await world.NamesAsync("ready/")])
        {
            await world.Blobs.TryDeleteAsync(name, null, Cancellation);
        }

        Assert.Equal(2, await core.Repair.RepairAsync(Cancellation));
        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await core.Tick.TickAsync(Cancellation);

        Assert.Single(await world.NamesAsync("ready/"));
        Assert.Equal([$"active/{waiting}"], await world.NamesAsync("active/"));
        Assert.Equal([$"{ended}:0:completed"], world.CompletionIds(ended));
    }

    private static async Task LoseClaimAsync(World world, RunId run)
    {
        var process = world.NewProcess(ProtocolStep.C7);
        world.StartHost(process, world.NewMachine("m" + Guid.NewGuid().ToString("n")));
        await process.Killed.WaitAsync(Cancellation);
        Assert.Equal(RunState.Claimed, (await world.FindAsync(run))!.State);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);
    }
}
