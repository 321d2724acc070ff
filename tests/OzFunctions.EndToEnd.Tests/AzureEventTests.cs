using System.Text;
using System.Text.Json;
using OzFunctions.AzureStorage;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Publishers that lie on Azure: a queue of an account that is not the store's, and a topic that only the function app sends to.</summary>
public sealed class AzureEventTests(SharedAzurite azurite)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 300_000)]
    public async Task Events_reach_a_queue_of_another_storage_account()
    {
        var connection = (await azurite.GetAsync()).TakeAccount();
        await using var machine = new OneMachine("echo done");
        await File.WriteAllTextAsync(machine["account"], connection + "\n", Cancellation);
        await File.AppendAllTextAsync(machine.Config, $$"""

            events:
              - name: theirs
                queue: their-events
                connection: { file: {{machine["account"]}} }
              - name: ours
                queue: my-events
            """, Cancellation);
        var run = await machine.RunAsync(Cancellation, "-p", "x", "--config-file", machine.Config);
        var worker = machine.StartWorker("--once");
        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));

        var record = await machine.UntilTerminalAsync(run, Cancellation);
        var queue = new AzureRequestQueue(StorageAccount.Open(connection, new(), TimeProvider.System), "their-events");
        var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(30), Cancellation);

        Assert.Equal(JsonSerializer.Serialize(record.Event), JsonSerializer.Serialize(JsonDocument.Parse(message!.Body).RootElement));
        Assert.Null(await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation));
        Assert.Equal([("theirs", "delivered")], (await machine.DeliveriesAsync(Cancellation)).Select(one => (one.Publisher, one.State)));
        Assert.Single(Directory.GetFiles(Path.Join(machine.Data, "queues", "my-events", "ready")));
        Assert.DoesNotContain(AzuriteProcess.Key, string.Join('\n', worker.Output.Concat(worker.Errors)), StringComparison.Ordinal);
        await machine.AssertNothingLeftAsync(Cancellation);
    }

    [Fact(Timeout = 300_000)]
    public async Task A_topic_s_event_that_is_asked_for_again_is_left_to_the_function_app()
    {
        await using var machine = new AzureMachine((await azurite.GetAsync()).TakeAccount(), "echo done");
        await File.AppendAllTextAsync(machine.Config, "\nevents: [{name: bus, topic: oz-events}]\n", Encoding.UTF8, Cancellation);
        var run = (await machine.SucceedAsync(Cancellation, "run", "-p", "x")).Trim();
        await machine.SucceedAsync(Cancellation, "runs", "cancel", run);

        var said = await machine.SucceedAsync(Cancellation, "events", "redeliver", run);
        var json = JsonDocument.Parse(await machine.SucceedAsync(Cancellation, "events", "redeliver", run, "--output", "json")).RootElement.GetProperty("redelivered")[0];

        Assert.Contains("bus  left to the function app", said, StringComparison.Ordinal);
        Assert.Equal(("bus", "owed", "function_app"), (json.GetProperty("publisher").GetString(), json.GetProperty("state").GetString(), json.GetProperty("left_to").GetString()));
        Assert.False(json.TryGetProperty("delivery", out _));
    }
}
