using System.Text.Json;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Real <c>ozf</c> processes, a real receiver, a real command.</summary>
public sealed class EventPublishingTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 600_000)]
    public async Task A_run_s_completion_reaches_a_receiver_a_command_and_a_queue()
    {
        await using var receiver = new HttpReceiver();
        await using var machine = Machine(
            receiver,
            more: """
                  - name: list
                    queue: my-events
                  - name: script
                    command: |
                      cat > "$OUT/event.json"; env > "$OUT/env"; echo secret "$API_TOKEN" >&2
                    environment:
                      - name: OUT
                        value: {marks}
                      - name: API_TOKEN
                        value: { file: {secret} }
                """);
        var run = await machine.RunAsync(Cancellation, "-p", "x", "--config-file", machine.Config);
        machine.StartWorker("--once");

        var request = await receiver.NextAsync(Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        var record = await machine.UntilTerminalAsync(run, Cancellation);
        var id = $"{run}:1:completed";
        Assert.Equal(id, request.Headers["webhook-id"]);
        Assert.Equal(JsonSerializer.Serialize(record.Event), JsonSerializer.Serialize(JsonDocument.Parse(request.Body).RootElement));
        Assert.Equal(request.Body, await File.ReadAllBytesAsync(machine["marks/event.json"], Cancellation));
        var environment = await File.ReadAllLinesAsync(machine["marks/env"], Cancellation);
        Assert.Contains($"OZF_EVENT_ID={id}", environment);
        Assert.Contains($"API_TOKEN={Secret}", environment);
        Assert.DoesNotContain(environment, line => line.StartsWith("MARKS=", StringComparison.Ordinal));
        Assert.Single(Directory.GetFiles(Path.Join(machine.Data, "queues", "my-events", "ready")));
        Assert.False(Directory.Exists(Path.Join(machine.Data, "queues", "oz-events")));

        var deliveries = await machine.DeliveriesAsync(Cancellation);
        Assert.Equal([("hook", "delivered"), ("script", "delivered")], deliveries.Select(one => (one.Publisher, one.State)).Order());
    }

    [Fact(Timeout = 600_000)]
    public async Task What_a_receiver_would_not_take_is_sent_again_when_a_person_asks()
    {
        await using var receiver = new HttpReceiver { Answer = _ => "HTTP/1.1 410 Gone" };
        await using var machine = Machine(receiver);
        var run = await machine.RunAsync(Cancellation, "-p", "x");
        machine.StartWorker("--once");
        await receiver.NextAsync(Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.Equal([("hook", "failed")], (await machine.DeliveriesAsync(Cancellation)).Select(one => (one.Publisher, one.State)));

        var refused = await machine.OzfAsync(Cancellation, "events", "redeliver", "--config-file", machine.Config);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("Answered 410", refused.Output, StringComparison.Ordinal);

        receiver.Answer = _ => "HTTP/1.1 200 OK";
        var taken = await machine.OzfAsync(Cancellation, "events", "redeliver", run.Value, "--publisher", "hook", "--config-file", machine.Config);

        Assert.Equal((0, $"{run}:1:completed  hook  delivered"), (taken.ExitCode, taken.Output.TrimEnd()));
        Assert.Equal([("hook", "delivered")], (await machine.DeliveriesAsync(Cancellation)).Select(one => (one.Publisher, one.State)));
        Assert.Empty(machine.Files("active"));
        Assert.Equal(3, receiver.Requests.Count);
        Assert.Single(receiver.Requests.Select(request => request.Headers["webhook-id"]).Distinct());
    }

    [Fact(Timeout = 600_000)]
    public async Task A_command_that_hangs_or_fails_is_named_in_the_log_without_its_secrets()
    {
        await using var receiver = new HttpReceiver();
        await using var machine = Machine(
            receiver,
            more: """
                  - name: fails
                    command: echo "no luck with $API_TOKEN" >&2; exit 7
                    environment:
                      - name: API_TOKEN
                        value: { file: {secret} }
                  - name: hangs
                    command: sleep 600
                    timeout: 1s
                """);
        await machine.RunAsync(Cancellation, "-p", "x");
        machine.StartWorker("--once");
        await receiver.NextAsync(Cancellation);
        var deliveries = await OneMachine.UntilAsync(() => machine.DeliveriesAsync(Cancellation), found => found.Count == 3, Cancellation);

        var failed = deliveries.Single(one => one.Publisher == "fails");
        Assert.Equal("retrying", failed.State);
        Assert.StartsWith("The command exited with code 7: no luck with ", failed.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, failed.Message, StringComparison.Ordinal);
        Assert.Equal("The command did not end within 1 s and was ended.", deliveries.Single(one => one.Publisher == "hangs").Message);
    }

    [Theory(Timeout = 600_000)]
    [InlineData("topic: oz-events, connection: {file: {secret}}", "Service Bus")]
    [InlineData("queue: oz-events, connection: {file: {secret}}", "neither a connection string nor an https address")]
    [InlineData("url: https://example.com/, secret: {file: /etc/hostname-of-nobody}", "does not exist")]
    public async Task A_publisher_that_cannot_be_is_refused_before_anything_starts(string entry, string sentence)
    {
        await using var receiver = new HttpReceiver();
        await using var machine = Machine(receiver, more: $"  - {{name: other, {entry}}}");

        var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, "worker", "--config-file", machine.Config);

        Assert.Equal(64, exitCode);
        Assert.Contains(sentence, errors, StringComparison.Ordinal);
    }

    [Fact(Timeout = 600_000)]
    public async Task What_a_worker_is_killed_at_is_sent_by_the_next_one_long_before_its_time_is_over()
    {
        await using var machine = WithCommand("echo \"$OZF_EVENT_ID\" >> \"$OUT/sent\"; [ -e \"$OUT/go\" ] || sleep 600");
        var run = await machine.RunAsync(Cancellation, "-p", "x");
        var killed = machine.StartWorker();
        await OneMachine.WaitAsync(() => File.Exists(machine["marks/sent"]), Cancellation);
        await killed.KillAsync();
        Assert.NotNull(Assert.Single(machine.ReadRecord(run).Outbox!).HostId);
        EndLeft(machine);

        await File.WriteAllTextAsync(machine["marks/go"], "", Cancellation);
        machine.StartWorker();

        // It has less patience than those 10 minutes.
        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.Equal([$"{run}:1:completed", $"{run}:1:completed"], await File.ReadAllLinesAsync(machine["marks/sent"], Cancellation));
        Assert.Equal([("script", "delivered")], (await machine.DeliveriesAsync(Cancellation)).Select(one => (one.Publisher, one.State)));
    }

    [Fact(Timeout = 600_000)]
    public async Task A_call_that_sent_to_a_command_leaves_no_lock()
    {
        await using var machine = WithCommand("echo \"$OZF_EVENT_ID\" >> \"$OUT/sent\"");
        ShellAgent.Write(machine["agent"], "exit 0");

        var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, "exec", "--config-file", machine.Config, "--agent-command", machine["agent"]);

        Assert.True(exitCode == 0, errors);
        Assert.Single(await File.ReadAllLinesAsync(machine["marks/sent"], Cancellation));
        Assert.Empty(Directory.GetFiles(Path.Join(machine.Data, "exec", ".ozf", "bin", "hosts")));
    }

    /// <summary>The command that a killed worker had started: nobody's child any more.</summary>
    private static void EndLeft(OneMachine machine)
    {
        foreach (var left in ProcessTable.WithTag(machine.Marks))
        {
            Signals.Send(left.Id, 9);
        }
    }

    private static OneMachine WithCommand(string command)
    {
        var machine = new OneMachine("echo done");
        File.AppendAllText(machine.Config, $$"""

            events:
              - name: script
                command: |
                  {{command}}
                environment:
                  - name: OUT
                    value: {{machine.Marks}}
            """);
        return machine;
    }

    private static OneMachine Machine(HttpReceiver receiver, string more = "")
    {
        // The path is the machine's own, known once it is made.
        var machine = new OneMachine("echo done");
        File.WriteAllText(machine["secret"], Secret + "\n");
        File.AppendAllText(machine.Config, $$"""

            events:
              - name: hook
                url: {{receiver.Url}}
                secret: { file: {{machine["secret"]}} }
                allow_private: true
            {{more.Replace("{marks}", machine.Marks, StringComparison.Ordinal).Replace("{secret}", machine["secret"], StringComparison.Ordinal)}}
            """);
        return machine;
    }
}
