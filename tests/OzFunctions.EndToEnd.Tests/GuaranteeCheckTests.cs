using System.Text;
using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>The check itself: it finds each breach that is laid before it, and nothing where nothing is wrong.</summary>
public sealed class GuaranteeCheckTests
{
    private static readonly RunId Id = RunId.Create(TimeProvider.System);

    [Fact]
    public void Nothing_is_found_where_all_is_well() => Check(Good(), "a line").AssertAllHold();

    [Fact]
    public void Every_breach_is_found()
    {
        AssertBreach("2:", Check(Good()) with { Accepted = [RunId.Create(TimeProvider.System)] });
        AssertBreach("3:", Check(Good()) with { Executions = new Dictionary<string, int> { [$"{Id}.1"] = 2 } });
        AssertBreach("3:", Check(Good() with { Starts = 2 }));
        AssertBreach("3:", Check(Good() with { Attempt = 0 }) with { CompletionIds = null });
        AssertBreach("4:", Check(Good() with { State = RunState.InProgress }));
        AssertBreach("4:", Check(Good() with { Reason = RunReason.HostLost }));
        AssertBreach("4:", Check(Good(), "a line", ("active/x", "")));
        AssertBreach("4:", Check(Good() with { Attempts = [Good().Attempts[0] with { Log = new() { Lines = 1, Bytes = 3, Sealed = true } }] }));
        AssertBreach("5:", Check(Good()) with { CompletionIds = [] });
        AssertBreach("5:", Check(Good() with { Outbox = [new("queue", 1)] }, "a line", ($"active/{Id}", "")));
        AssertBreach("5:", Check(Good() with { Event = null }));
        AssertBreach("6:", Check(Good()) with { Processes = ["sleep"] });
        AssertBreach("6:", Check(Good()) with { Directories = ["ws"] });
        AssertBreach("7:", Check(Good()) with { Teardowns = new Dictionary<string, int> { [$"{Id}.1"] = 2 } });
        AssertBreach("7:", Check(Good()) with { Teardowns = new Dictionary<string, int>() });
        foreach (var form in (string[])["canary/+value", "canary%2F%2Bvalue", Convert.ToBase64String("ab:canary/+value"u8)])
        {
            AssertBreach("8:", Check(Good(), form) with { Canaries = [new("it", "canary/+value")] });
        }

        AssertBreach("8:", Check(Good()) with { Canaries = [new("it", "canary/+value")], Texts = new Dictionary<string, string> { ["log"] = "x canary/+value" } });
        var twice = Good() with { Request = new() { Prompt = "x", IdempotencyKey = "k" } };
        AssertBreach("1:", Check(twice) with { Store = Store(twice, twice with { RunId = RunId.Create(TimeProvider.System) }) });
    }

    private static void AssertBreach(string number, GuaranteeCheck check) => Assert.Contains(check.FindBreaches(), breach => breach.StartsWith(number, StringComparison.Ordinal));

    private static GuaranteeCheck Check(RunRecord record, string content = "", params (string Name, string Content)[] more)
    {
        var store = Store(record).All.ToDictionary();
        store[$"data/{Id}/1/artifacts/file"] = Encoding.UTF8.GetBytes(content);
        foreach (var (name, text) in more)
        {
            store[name] = Encoding.UTF8.GetBytes(text);
        }

        return new()
        {
            Store = new(store),
            Accepted = [Id],
            CompletionIds = [$"{Id}:1:completed"],
            Executions = new Dictionary<string, int> { [$"{Id}.1"] = 1 },
            Teardowns = new Dictionary<string, int> { [$"{Id}.1"] = 1 },
        };
    }

    private static StoreSnapshot Store(params RunRecord[] records) =>
        new(records.ToDictionary(record => RunBlobs.Record(record.RunId), record => JsonSerializer.SerializeToUtf8Bytes(record, RunJson.Wire.RunRecord)));

    private static RunRecord Good()
    {
        var now = TimeProvider.System.GetUtcNow();
        return new()
        {
            RunId = Id,
            State = RunState.Succeeded,
            Reason = RunReason.Completed,
            CreatedAt = now,
            UpdatedAt = now,
            FinishedAt = now,
            WorkerId = "w",
            Request = new() { Prompt = "x" },
            Trigger = new() { Kind = TriggerKind.Cli },
            Owner = new("h", 1, "d"),
            Attempt = 1,
            Starts = 1,
            Attempts = [new() { Attempt = 1, HostId = "h", State = RunState.Succeeded, Reason = RunReason.Completed, FinishedAt = now, Teardown = new(true, 0) }],
            Event = JsonSerializer.SerializeToElement(new Dictionary<string, string> { ["id"] = $"{Id}:1:completed" }),
        };
    }
}
