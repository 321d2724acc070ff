using System.Text;
using System.Text.Json;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Requests and configurations that are wrong, by every way in: refused with key and rule, nothing started, nothing lost.</summary>
public sealed class BadInputTests
{
    // Some call ozf forty times.
    private const int Limit = 600_000;

    // What is sent, and what the refusal must say.
    private static readonly (byte[] Body, string[] Says)[] Bad =
    [
        (""u8.ToArray(), ["the request is empty"]),
        ("nope {"u8.ToArray(), ["the request is not JSON"]),
        ("""["prompt"]"""u8.ToArray(), ["must be a JSON object"]),
        ("""{"prompt":"x","colour":"red"}"""u8.ToArray(), ["colour: 'red'"]),
        ("""{"prompt":"x","prompt":"y"}"""u8.ToArray(), ["prompt: is given twice"]),
        ("""{"prompt":"x","saved_prompt":"y"}"""u8.ToArray(), ["saved_prompt: 'y'", "excludes prompt"]),
        ("""{"prompt":"x","share":["bob","team:admin"]}"""u8.ToArray(), ["share[0]: 'bob'", "share[1]: 'team:admin'"]),
        ("""{"prompt":"x","env":{"PATH":"/x","MY_TOKEN":"hunter2-value"}}"""u8.ToArray(), ["env.PATH: ", "env.MY_TOKEN: "]),
        ("""{"prompt":"x","timeout":"-5s"}"""u8.ToArray(), ["timeout: '-5s'", "90s"]),
        ("""{"prompt":"x","title":"a\u0000b\nc"}"""u8.ToArray(), ["title: 'a\\u0000b\\u000ac'", "control characters"]),
        ("""{"prompt":"x","worker_id":"warp1"}"""u8.ToArray(), ["worker_id: 'warp1'", "reserved"]),
        ([.. "{\"prompt\":\""u8, 0xff, 0xfe, .. "\"}"u8], ["not UTF-8"]),
        (Encoding.UTF8.GetBytes($$"""{"prompt":"{{new string('a', 200_000)}}"}"""), ["prompt: '200000 bytes'", "120 KiB"]),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_bad_request_file_exits_64_with_every_fault_and_makes_no_run()
    {
        await using var machine = new OneMachine();
        foreach (var (body, says) in Bad)
        {
            await File.WriteAllBytesAsync(machine["request.json"], body, Cancellation);
            var (exitCode, output, errors) = await machine.OzfAsync(Cancellation, "run", "--file", machine["request.json"]);

            Assert.Equal((64, ""), (exitCode, output));
            AssertSays(errors, says);
        }

        Assert.Empty(machine.Files("runs"));
        Assert.Empty(machine.Files("keys"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_request_of_ten_megabytes_is_refused_by_its_size()
    {
        await using var machine = new OneMachine();
        await File.WriteAllBytesAsync(machine["request.json"], [.. "{\"prompt\":\""u8, .. new byte[10_000_000].Select(_ => (byte)'a'), .. "\"}"u8], Cancellation);

        foreach (var command in (string[][])[["run"], ["queue", "send"]])
        {
            var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, [.. command, "--file", machine["request.json"]]);
            Assert.Equal(64, exitCode);
            Assert.Contains("MiB", errors, StringComparison.Ordinal);
            Assert.True(errors.Length < 300, errors);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_bad_message_becomes_a_dead_letter_with_the_same_faults_and_runs_once_it_is_fixed()
    {
        await using var machine = new OneMachine("echo \"$OZF_RUN_ID\" >> \"$MARKS/started\"");
        foreach (var (body, _) in Bad)
        {
            await File.WriteAllBytesAsync(machine["request.json"], body, Cancellation);
            Assert.Equal(0, (await machine.OzfAsync(Cancellation, "queue", "send", "--file", machine["request.json"])).ExitCode);
        }

        var worker = machine.StartWorker("--consume-requests");
        await OneMachine.WaitAsync(() => machine.Files("dead-letters").Length == Bad.Length && Messages(machine).Length == 0, Cancellation);

        Assert.Empty(Messages(machine));
        Assert.Empty(machine.Files("runs"));
        Assert.Empty(machine.Files("active"));
        var letters = await ListAsync(machine);
        Assert.Equal(Bad.Length, letters.Count);
        foreach (var (body, says) in Bad)
        {
            var letter = Assert.Single(letters, letter => letter.GetProperty("body").GetString() == Encoding.UTF8.GetString(body));
            Assert.Equal("invalid_request", letter.GetProperty("reason").GetString());
            var (_, shown, _) = await machine.OzfAsync(Cancellation, "dead-letters", "show", letter.GetProperty("id").GetString()!);
            Assert.All(says, text => Assert.Contains(text, shown, StringComparison.Ordinal));
        }

        // The host says each once, with its first fault, and never what may be a secret.
        var log = worker.Errors.Concat(worker.Output).Where(line => line.Contains("dead letter", StringComparison.Ordinal)).ToList();
        Assert.Equal(Bad.Length, log.Count);
        Assert.Contains(log, line => line.Contains("timeout: '-5s'", StringComparison.Ordinal));
        Assert.DoesNotContain(log, line => line.Contains("hunter2", StringComparison.Ordinal));

        await File.WriteAllTextAsync(machine["fixed.json"], """{"prompt":"x"}""", Cancellation);
        var (requeued, _, errors) = await machine.OzfAsync(Cancellation, "dead-letters", "requeue", letters[0].GetProperty("id").GetString()!, "--file", machine["fixed.json"]);
        Assert.True(requeued == 0, errors);
        await OneMachine.WaitAsync(() => Completions(machine).Length == 1, Cancellation);
        Assert.Single(Completions(machine));
        Assert.Equal(Bad.Length - 1, machine.Files("dead-letters").Length);
        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.Single(await File.ReadAllLinesAsync(machine["marks/started"], Cancellation));
    }

    [Theory(Timeout = Limit)]
    [InlineData("worker_idd: x", "line 1: worker_idd", "worker_id")]
    [InlineData("max_concurrent_tasks: many", "max_concurrent_tasks: 'many'", "whole number")]
    [InlineData("backend:\n  direct:\n    sandboxed: true\n  docker:\n    image: x", "backend", "at most one")]
    [InlineData("backend:\n\tdirect:", "line 2", "tab")]
    [InlineData("secrets:\n  - name: gh\n    value: hunter2-value", "secrets[0]", "file: PATH")]
    public async Task A_bad_configuration_starts_no_worker_and_names_key_line_and_rule(string yaml, params string[] says)
    {
        await using var machine = new OneMachine();
        await File.WriteAllTextAsync(machine.Config, yaml, Cancellation);

        foreach (var arguments in (string[][])[["worker"], ["config", "validate"]])
        {
            var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, [.. arguments, .. arguments[0] == "worker" ? ["--config-file", machine.Config] : (string[])[machine.Config]]);
            Assert.Equal(64, exitCode);
            AssertSays(errors, [machine.Config, .. says]);
        }

        Assert.Empty(machine.Leftovers());
    }

    [Fact(Timeout = Limit)]
    public async Task A_configuration_that_is_missing_or_no_file_is_named()
    {
        await using var machine = new OneMachine();
        foreach (var (path, says) in new[] { (machine["missing.yaml"], "does not exist"), (machine.Marks, "is a directory") })
        {
            var (exitCode, _, errors) = await machine.OzfAsync(Cancellation, "worker", "--config-file", path);
            Assert.Equal(64, exitCode);
            AssertSays(errors, [path, says]);
        }
    }

    private static void AssertSays(string errors, IEnumerable<string> says)
    {
        Assert.All(says, text => Assert.Contains(text, errors, StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", errors, StringComparison.Ordinal);
        Assert.All(errors.Split('\n'), line => Assert.True(line.Length < 1000, line));
    }

    private static string[] Completions(OneMachine machine) =>
        Directory.Exists(Path.Join(machine.Data, "queues", "oz-events")) ? machine.CompletionIds() : [];

    private static string[] Messages(OneMachine machine) =>
        Directory.GetFiles(Path.Join(machine.Data, "queues", "oz-requests"), "*", SearchOption.AllDirectories);

    private static async Task<IReadOnlyList<JsonElement>> ListAsync(OneMachine machine)
    {
        var (exitCode, output, errors) = await machine.OzfAsync(Cancellation, "dead-letters", "list", "--output", "json");
        Assert.True(exitCode == 0, errors);
        using var document = JsonDocument.Parse(output);
        return [.. document.RootElement.EnumerateObject().First().Value.EnumerateArray().Select(letter => letter.Clone())];
    }
}
