using System.Text.Json;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Dispatch;
using OzFunctions.Intake;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

public sealed class IntakeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_repeat_of_a_key_answers_the_first_run_and_starts_nothing()
    {
        await using var world = new World();
        var intake = world.NewProcess().Core.Intake;
        var first = await intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        var second = await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.False(second.Created);
        Assert.False(second.RequestDiffers);
        Assert.Equal(first.Run.RunId, second.Run.RunId);
        Assert.Single(await world.NamesAsync("runs/"));
        Assert.Single(await world.NamesAsync("ready/"));
    }

    [Fact]
    public async Task The_same_key_with_another_request_answers_the_first_run_and_says_that_it_differs()
    {
        await using var world = new World();
        var intake = world.NewProcess().Core.Intake;
        var first = await intake.SubmitAsync(World.Ask(AgentPlan.Succeeds, "k"), Cancellation);

        var second = await intake.SubmitAsync(World.Ask(AgentPlan.Fails, "k"), Cancellation);

        Assert.True(second.RequestDiffers);
        Assert.Equal(first.Run.RunId, second.Run.RunId);
        Assert.Equal("Succeeds", second.Run.Request.Prompt);
    }

    [Fact]
    public async Task A_key_in_the_request_does_not_make_it_another_request()
    {
        await using var world = new World();
        var intake = world.NewProcess().Core.Intake;
        var ask = World.Ask(key: "k");
        await intake.SubmitAsync(ask, Cancellation);

        var second = await intake.SubmitAsync(ask with { Request = ask.Request with { IdempotencyKey = "k" } }, Cancellation);

        Assert.False(second.RequestDiffers);
    }

    [Fact]
    public async Task Fifty_submitters_of_one_key_make_one_run()
    {
        await using var world = new World();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => world.NewProcess().Core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation))));

        Assert.Single(answers.Select(answer => answer.Run.RunId).Distinct());
        Assert.Single(answers, answer => answer.Created);
        Assert.Single(await world.NamesAsync("runs/"));
    }

    [Fact]
    public async Task Kinds_of_keys_never_meet()
    {
        await using var world = new World();
        var intake = world.NewProcess().Core.Intake;
        string[] keys = [IntakeKeys.Cli("x")!, IntakeKeys.Api("1", "x"), IntakeKeys.Queue("q", "x"), IntakeKeys.Webhook("w", "x"), IntakeKeys.Schedule("s", "x")];
        foreach (var key in keys)
        {
            Assert.True((await intake.SubmitAsync(World.Ask() with { Key = key }, Cancellation)).Created);
        }

        Assert.Equal(keys.Length, (await world.NamesAsync("runs/")).Count);
    }

    [Fact]
    public async Task A_lost_answer_at_any_write_of_intake_still_makes_one_accepted_run()
    {
        for (var lost = 1; lost <= 4; lost++)
        {
            await using var world = new World();
            var core = world.NewProcess().Core;
            world.LoseAnswerOf(lost);

            var answer = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

            Assert.True(answer.Created, $"write {lost}");
            Assert.Single(await world.NamesAsync("runs/"));
            Assert.Single(await world.NamesAsync("ready/"));
        }
    }

    [Fact]
    public async Task An_outage_before_acceptance_is_an_error_and_the_repeat_makes_the_one_run()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        world.BreakStore(1);
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation));

        var answer = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.True(answer.Created);
        Assert.Single(await world.NamesAsync("runs/"));
    }

    [Fact]
    public async Task A_run_for_later_waits_in_the_time_index()
    {
        await using var world = new World();
        var due = world.Clock.GetUtcNow() + TimeSpan.FromDays(400);
        var ask = World.Ask();

        var answer = await world.NewProcess().Core.Intake.SubmitAsync(
            ask with { Request = ask.Request with { NotBefore = due, ExpiresAt = due + TimeSpan.FromDays(1) } }, Cancellation);

        Assert.Equal(WaitingFor.NotBefore, answer.Run.WaitingFor);
        Assert.Empty(await world.NamesAsync("ready/"));
        Assert.Equal(
            [LaterEntry.ReadyAt(answer.Run.RunId, due).Name, LaterEntry.ExpiresAt(answer.Run.RunId, due + TimeSpan.FromDays(1)).Name],
            await world.NamesAsync("later/"));
    }

    [Fact]
    public async Task Names_are_the_layout_of_the_protocol()
    {
        await using var world = new World();
        var ask = World.Ask(key: "k");
        var answer = await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { ConcurrencyKey = "repo", Priority = 2 } }, Cancellation);
        var runId = answer.Run.RunId;
        var inverted = (9_999_999_999_999 - runId.Milliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var sort = (answer.Run.CreatedAt - TimeSpan.FromMinutes(20)).ToUnixTimeMilliseconds();

        Assert.Equal([$"runs/{inverted[..5]}/{inverted}-{runId}.json"], await world.NamesAsync("runs/"));
        Assert.Equal([$"active/{runId}"], await world.NamesAsync("active/"));
        Assert.Equal([$"ready/{RunBlobs.Hash("local")[..32]}/{sort}-{runId}-{RunBlobs.Hash("repo")[..8]}"], await world.NamesAsync("ready/"));
        Assert.Equal([$"keys/{RunBlobs.Hash("cli:k")}.json"], await world.NamesAsync("keys/"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../../etc/01990000-0000-7000-8000-0000")]
    [InlineData("01990000-0000-7000-8000-00000000000A")]
    [InlineData("01990000-0000-4000-8000-000000000000")]
    [InlineData("0199000000007000800000000000000000000000")]
    public void What_is_no_plain_id_names_no_run_and_no_directory(string text) => Assert.False(RunId.TryParse(text, out _));

    [Fact]
    public async Task More_than_may_wait_is_refused_and_nothing_is_kept()
    {
        await using var world = new World();
        var process = world.NewProcess();
        var core = new OzCore(process.Core.Ports, new() { Intake = new() { MaxQueued = 2 } }, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        await core.Intake.SubmitAsync(World.Ask(), Cancellation);
        await core.Intake.SubmitAsync(World.Ask(), Cancellation);

        var refused = await Assert.ThrowsAsync<QueueFullException>(() => core.Intake.SubmitAsync(World.Ask(), Cancellation));

        Assert.Contains("limits.max_queued", refused.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await world.NamesAsync("runs/")).Count);
    }

    [Fact]
    public void A_queued_record_is_this_json()
    {
        var id = RunId.Parse("01890a5d-ac96-774b-bcce-b302099a8057");
        var time = DateTimeOffset.FromUnixTimeMilliseconds(id.Milliseconds);
        var record = new RunRecord
        {
            RunId = id,
            State = RunState.InProgress,
            CreatedAt = time,
            UpdatedAt = time,
            WorkerId = "local",
            Request = new() { Prompt = "fix größe", Timeout = TimeSpan.FromMinutes(90), Env = new Dictionary<string, RunVariable> { ["A"] = RunVariable.Plain("1"), ["T"] = RunVariable.FromSecret("S") } },
            Trigger = new() { Kind = TriggerKind.Cli },
            Owner = new("h-1", 3, "00112233445566aa"),
            Attempt = 1,
            Attempts = [new() { Attempt = 1, HostId = "h-1", StoppedBy = StoppedBy.Cancel, Durations = new() { Queued = TimeSpan.FromMilliseconds(1234) }, Reason = RunReason.TaskCancelled, MasksSha256 = "00ff" }],
        };

        Assert.Equal(
            """{"schema":1,"run_id":"01890a5d-ac96-774b-bcce-b302099a8057","state":"INPROGRESS","created_at":"2023-06-30T03:34:18.518Z","updated_at":"2023-06-30T03:34:18.518Z","worker_id":"local","request":{"prompt":"fix größe","env":{"A":"1","T":{"secret":"S"}},"timeout":"1h30m"},"trigger":{"kind":"cli"},"owner":{"host_id":"h-1","fence":3,"dir":"00112233445566aa"},"attempt":1,"starts":0,"prestart_failures":0,"attempts":[{"attempt":1,"host_id":"h-1","reason":"task_cancelled","stopped_by":"cancel","durations":{"queued":1.234},"masks_sha256":"00ff"}]}""",
            JsonSerializer.Serialize(record, RunJson.Wire.RunRecord));
    }

    [Fact]
    public async Task A_newer_schema_is_refused_with_a_sentence()
    {
        await using var world = new World();
        var answer = await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation);
        var name = RunBlobs.Record(answer.Run.RunId);
        await world.Blobs.PutAsync(name, JsonSerializer.SerializeToUtf8Bytes(answer.Run with { Schema = 2 }, RunJson.Wire.RunRecord), Cancellation);

        var refused = await Assert.ThrowsAsync<UnreadableRecordException>(() => world.FindAsync(answer.Run.RunId));

        Assert.Contains("schema 2, this version reads up to 1: upgrade ozf", refused.Message, StringComparison.Ordinal);

        // Also one that lacks what this version insists on, or means something else by it.
        await world.Blobs.PutAsync(name, """{"schema":3,"run_id":["x"],"states":[]}"""u8.ToArray(), Cancellation);
        refused = await Assert.ThrowsAsync<UnreadableRecordException>(() => world.FindAsync(answer.Run.RunId));
        Assert.Contains("schema 3, this version reads up to 1: upgrade ozf", refused.Message, StringComparison.Ordinal);
    }
}
