using OzFunctions.DeadLetters;
using OzFunctions.Testing;

namespace OzFunctions.Http.Tests.Runs;

public sealed class OperationTests
{
    [Fact]
    public async Task A_worker_is_paused_and_resumed()
    {
        var rig = new DoorRig();

        (await rig.SendAsync("POST", "/api/v1/workers/build/pause", key: DoorRig.ReadKey)).Is(403);
        Assert.True((await rig.SendAsync("POST", "/api/v1/workers/build/pause")).Is(200).Json.GetProperty("changed").GetBoolean());
        Assert.False((await rig.SendAsync("POST", "/api/v1/workers/build/pause")).Is(200).Json.GetProperty("changed").GetBoolean());
        var worker = Assert.Single((await rig.GetAsync("/api/v1/workers")).Is(200).Json.GetProperty("workers").EnumerateArray());
        Assert.True(worker.GetProperty("paused").GetBoolean());
        (await rig.SendAsync("POST", "/api/v1/workers/build/resume")).Is(200);
        Assert.Empty((await rig.GetAsync("/api/v1/workers")).Json.GetProperty("workers").EnumerateArray());
        (await rig.SendAsync("POST", "/api/v1/workers/warp-1/pause")).Is(400);
    }

    [Fact]
    public async Task Dead_letters_are_listed_by_the_page()
    {
        var rig = new DoorRig();
        foreach (var id in new[] { "c", "a", "b" })
        {
            await rig.Core.DeadLetters.AddAsync(
                new DeadLetter { Id = id, Queue = "oz-requests", MessageId = id, Reason = "invalid_request", Description = "d", Body = "{}", ReceivedAt = rig.Time.GetUtcNow() },
                mayBeThere: false,
                TestContext.Current.CancellationToken);
        }

        var first = (await rig.GetAsync("/api/v1/dead-letters?limit=2")).Is(200);
        var cursor = first.Json.GetProperty("page_info").GetProperty("next_cursor").GetString();
        await rig.SendAsync("DELETE", "/api/v1/dead-letters/a");
        var second = (await rig.GetAsync($"/api/v1/dead-letters?limit=2&cursor={cursor}")).Is(200);

        Assert.Equal(["b", "a"], Ids(first));
        Assert.Equal(["c"], Ids(second));
        Assert.False(second.Json.GetProperty("page_info").GetProperty("has_next_page").GetBoolean());

        static IEnumerable<string?> Ids(DoorAnswer list) => list.Json.GetProperty("dead_letters").EnumerateArray().Select(letter => letter.GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_page_of_dead_letters_ends_where_its_messages_are_large()
    {
        var rig = new DoorRig();
        foreach (var id in new[] { "c", "b", "a" })
        {
            await rig.Core.DeadLetters.AddAsync(
                new DeadLetter { Id = id, Queue = "oz-requests", MessageId = id, Reason = "invalid_request", Description = "d", Body = new('x', 3_000_000), ReceivedAt = rig.Time.GetUtcNow() },
                mayBeThere: false,
                TestContext.Current.CancellationToken);
        }

        var first = (await rig.GetAsync("/api/v1/dead-letters")).Is(200).Json;
        var second = (await rig.GetAsync("/api/v1/dead-letters?cursor=" + first.GetProperty("page_info").GetProperty("next_cursor").GetString())).Is(200).Json;

        Assert.Equal((2, 1), (first.GetProperty("dead_letters").GetArrayLength(), second.GetProperty("dead_letters").GetArrayLength()));
    }

    [Fact]
    public async Task Dead_letters_are_shown_put_back_and_deleted()
    {
        var queue = new InMemoryRequestQueue("oz-requests", TimeProvider.System);
        var rig = new DoorRig(new() { Keys = [], Requests = queue });
        foreach (var id in new[] { "a1", "b2" })
        {
            await rig.Core.DeadLetters.AddAsync(
                new DeadLetter { Id = id, Queue = "oz-requests", MessageId = "m" + id, Reason = "invalid_request", Description = "d", Body = "{}", ReceivedAt = rig.Time.GetUtcNow() },
                mayBeThere: false,
                TestContext.Current.CancellationToken);
        }

        Assert.Equal(2, (await rig.GetAsync("/api/v1/dead-letters")).Is(200).Json.GetProperty("dead_letters").GetArrayLength());
        Assert.Equal("ma1", (await rig.GetAsync("/api/v1/dead-letters/a1")).Is(200).Json.GetProperty("message_id").GetString());
        (await rig.PostAsync("/api/v1/dead-letters/a1/requeue", """{"body":"{\"prompt\":\"fixed\"}"}""")).Is(200);
        (await rig.SendAsync("DELETE", "/api/v1/dead-letters/b2")).Is(204);

        Assert.Equal(0, (await rig.GetAsync("/api/v1/dead-letters")).Json.GetProperty("dead_letters").GetArrayLength());
        (await rig.GetAsync("/api/v1/dead-letters/a1")).Is(404);
        var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, TestContext.Current.CancellationToken);
        Assert.Equal("""{"idempotency_key":"requeued-a1","prompt":"fixed"}""", System.Text.Encoding.UTF8.GetString(message!.Body.Span));
    }
}
