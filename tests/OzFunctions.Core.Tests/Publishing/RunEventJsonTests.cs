using System.Text;
using OzFunctions.Artifacts;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Publishing;

/// <summary>The events' exact JSON: a contract with readers that nobody here knows.</summary>
public sealed class RunEventJsonTests
{
    private static readonly RunId Run = RunId.Parse("01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e");
    private static readonly DateTimeOffset Queued = new(2026, 11, 21, 5, 11, 2, 120, TimeSpan.Zero);

    [Fact]
    public void Queued_is_this_json() => Assert.Equal(
        """{"specversion":"1.0","id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e:0:queued","source":"/ozfunctions/workers/build%20it","type":"io.ozfunctions.run.queued.v1","subject":"runs/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","time":"2026-11-21T05:11:02.120Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json","data":{"run_id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","attempt":0,"state":"QUEUED","title":"Grüße & <Küsse>","worker_id":"build it","trigger":{"kind":"queue","name":"oz-requests","delivery_id":"m-1"},"metadata":{"pr":"7"},"queued_at":"2026-11-21T05:11:02.120Z"}}""",
        Text(Events().Queued(Record())));

    [Fact]
    public void Started_is_this_json() => Assert.Equal(
        """{"specversion":"1.0","id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e:2:started","source":"/ozfunctions/workers/build%20it","type":"io.ozfunctions.run.started.v1","subject":"runs/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","time":"2026-11-21T05:12:00.000Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json","data":{"run_id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","attempt":2,"state":"INPROGRESS","title":"Grüße & <Küsse>","worker_id":"build it","trigger":{"kind":"queue","name":"oz-requests","delivery_id":"m-1"},"metadata":{"pr":"7"},"queued_at":"2026-11-21T05:11:02.120Z","started_at":"2026-11-21T05:11:02.480Z","host":"build-1"}}""",
        Text(Events().Started(Record() with
        {
            State = RunState.InProgress,
            Attempt = 2,
            StartedAt = Queued.AddMilliseconds(360),
            Attempts = [new() { Attempt = 2, HostId = "h", Host = "build-1", StartedAt = new(2026, 11, 21, 5, 12, 0, TimeSpan.Zero) }],
        })));

    [Fact]
    public void Completed_is_this_json() => Assert.Equal(
        """{"specversion":"1.0","id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e:1:completed","source":"/ozfunctions/workers/build%20it","type":"io.ozfunctions.run.completed.v1","subject":"runs/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","time":"2026-11-21T05:12:09.431Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json","data":{"run_id":"01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e","attempt":1,"state":"FAILED","reason":"agent_invocation","message":"The agent exited with code 3.","exit_code":3,"title":"Grüße & <Küsse>","worker_id":"build it","trigger":{"kind":"queue","name":"oz-requests","delivery_id":"m-1"},"metadata":{"pr":"7"},"oz_run_id":"oz-1","oz_run_url":"https://oz/1","session_url":"https://oz/s/1","pull_requests":[{"url":"https://github.com/a/b/pull/12","branch":"fix"}],"queued_at":"2026-11-21T05:11:02.120Z","started_at":"2026-11-21T05:11:02.480Z","finished_at":"2026-11-21T05:12:09.431Z","durations":{"queued":0.06,"setup":0.2,"agent":66.4,"artifacts":0.1,"teardown":0.1},"log":{"url":"https://runs.example.com/api/v1/agent/runs/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e/log","lines":214,"bytes":30411,"sha256":"9f2c","cut_bytes":0},"artifacts":[{"path":"out/changes ü.patch","url":"https://runs.example.com/api/v1/agent/runs/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e/artifacts/out/changes%20%C3%BC.patch","bytes":812,"sha256":"41d0"}],"host":"build-1","agent_version":"oz 1.2"}}""",
        Text(Events("https://runs.example.com/").Completed(Ended(), [new() { Path = "out/changes ü.patch", Bytes = 812, Sha256 = "41d0" }, new() { Path = "big.bin", Bytes = 1, LeftOut = "file_limit" }])));

    [Fact]
    public void An_event_over_48_KiB_gives_its_artifacts_up_for_the_manifest_then_its_texts()
    {
        var many = Enumerable.Range(0, 50).Select(n => new ArtifactEntry { Path = new string('a', 1000) + n, Bytes = 1, Sha256 = "00" }).ToList();
        var record = Ended();

        var without = Text(Events().Completed(record, many));
        Assert.InRange(without.Length, 1, 48 * 1024);
        Assert.DoesNotContain("\"artifacts\":[", without, StringComparison.Ordinal);
        Assert.Contains("\"manifest_url\":\"memory:///data/01a1fc83-dae8-7b52-9d0e-2f4b6a8c1d3e/1/artifacts.json\"", without, StringComparison.Ordinal);
        Assert.Contains("\"metadata\"", without, StringComparison.Ordinal);

        var bare = Text(Events().Completed(record with { Message = new string('m', 60 * 1024) }, many));
        Assert.InRange(bare.Length, 1, 48 * 1024);
        Assert.DoesNotContain("\"metadata\"", bare, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"FAILED\"", bare, StringComparison.Ordinal);
    }

    /// <summary>What intake lets through: 32 entries, names and values of 256 characters.</summary>
    [Theory]
    [InlineData("漢")]
    [InlineData("😀")]
    public void Queued_and_started_over_48_KiB_give_their_texts_up(string letter)
    {
        var full = string.Concat(Enumerable.Repeat(letter, 256 / letter.Length));
        var metadata = Enumerable.Range(0, 32).ToDictionary(n => $"{n:d2}{full[2..]}", _ => full);
        var record = Record() with { Request = new() { Prompt = "p", Metadata = metadata } };

        RunEvent[] both = [Events().Queued(record), Events().Started(record with { State = RunState.InProgress, Attempt = 1 })];
        Assert.All(both, rendered =>
        {
            Assert.InRange(rendered.Json.Length, 1, 48 * 1024);
            Assert.DoesNotContain("\"metadata\"", Text(rendered), StringComparison.Ordinal);
            Assert.Contains("\"run_id\"", Text(rendered), StringComparison.Ordinal);
        });
        Assert.Contains("\"metadata\"", Text(Events().Queued(record with { Request = new() { Prompt = "p", Metadata = metadata.Take(10).ToDictionary() } })), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_more_than_50_artifacts_the_first_50_are_named_and_where_all_stand()
    {
        var kept = Enumerable.Range(0, 51).Select(n => new ArtifactEntry { Path = $"a{n}", Bytes = 1, Sha256 = "00" }).ToList();
        var record = Ended();
        record = record with { Attempts = [record.Attempts[0] with { Artifacts = new(51, 51, 0) }] };

        var text = Text(Events().Completed(record, kept));

        Assert.Contains("\"path\":\"a49\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"path\":\"a50\"", text, StringComparison.Ordinal);
        Assert.Contains("\"manifest_url\":", text, StringComparison.Ordinal);
    }

    private static RunEvents Events(string? publicUrl = null) => new(new InMemoryBlobStore(TimeProvider.System), publicUrl is null ? null : new(publicUrl));

    private static string Text(RunEvent rendered) => Encoding.UTF8.GetString(rendered.Json.Span);

    private static RunRecord Record() => new()
    {
        RunId = Run,
        State = RunState.Queued,
        CreatedAt = Queued,
        UpdatedAt = Queued,
        WorkerId = "build it",
        Request = new() { Prompt = "p", Title = "Grüße & <Küsse>", Metadata = new Dictionary<string, string> { ["pr"] = "7" } },
        Trigger = new() { Kind = TriggerKind.Queue, Name = "oz-requests", DeliveryId = "m-1" },
        Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };

    private static RunRecord Ended() => Record() with
    {
        State = RunState.Failed,
        Reason = RunReason.AgentInvocation,
        Message = "The agent exited with code 3.",
        Attempt = 1,
        StartedAt = Queued.AddMilliseconds(360),
        FinishedAt = new(2026, 11, 21, 5, 12, 9, 431, TimeSpan.Zero),
        Attempts =
        [
            new()
            {
                Attempt = 1,
                HostId = "h",
                Host = "build-1",
                ExitCode = 3,
                OzRunId = "oz-1",
                OzRunUrl = "https://oz/1",
                SessionUrl = "https://oz/s/1",
                PullRequests = [new("https://github.com/a/b/pull/12", "fix")],
                Durations = new() { Queued = TimeSpan.FromSeconds(0.06), Setup = TimeSpan.FromSeconds(0.2), Agent = TimeSpan.FromSeconds(66.4), Artifacts = TimeSpan.FromSeconds(0.1), Teardown = TimeSpan.FromSeconds(0.1) },
                Log = new() { Lines = 214, Bytes = 30411, Sha256 = "9f2c", Sealed = true, CutBytes = 0 },
                Artifacts = new(1, 812, 1),
                AgentVersion = "oz 1.2",
            },
        ],
    };
}
