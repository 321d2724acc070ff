using System.Text;
using System.Text.Json;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Events as foreign libraries see them: <c>standardwebhooks</c> verifies, <c>cloudevents</c> parses (npm).</summary>
public sealed class ForeignReaderTests
{
    private const string Old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string New = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 300_000)]
    public async Task A_foreign_receiver_verifies_and_parses_an_event_with_either_secret_while_it_changes_over()
    {
        await TestPackages.RequireAsync(Cancellation);
        await using var receiver = new HttpReceiver();
        await using var machine = new OneMachine("echo done");
        await File.WriteAllTextAsync(machine["new"], New, Cancellation);
        await File.WriteAllTextAsync(machine["old"], Old, Cancellation);
        await File.AppendAllTextAsync(
            machine.Config,
            $"""

            events:
              - name: hook
                url: {receiver.Url}
                secret: [{"{"} file: {machine["new"]} {"}"}, {"{"} file: {machine["old"]} {"}"}]
                allow_private: true
            """,
            Cancellation);
        var run = await machine.RunAsync(Cancellation, "-p", "x", "--title", "Grüße");
        machine.StartWorker("--once");
        var request = await receiver.NextAsync(Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        foreach (var secret in (string[])[New, Old])
        {
            var (exitCode, output, errors) = await ReadAsync(machine, request, secret);
            Assert.True(exitCode == 0, errors);
            var read = JsonDocument.Parse(output).RootElement;
            Assert.Equal(
                ($"{run}:1:completed", "/ozfunctions/workers/local", RunEvents.CompletedType, $"runs/{run}", "SUCCEEDED", run.Value),
                (Text(read, "id"), Text(read, "source"), Text(read, "type"), Text(read, "subject"), Text(read, "state"), Text(read, "run")));
        }

        Assert.Equal(3, (await ReadAsync(machine, request, "whsec_" + Convert.ToBase64String(new byte[32]))).ExitCode);
        request.Body[^2] ^= 1;
        Assert.Equal(3, (await ReadAsync(machine, request, New)).ExitCode);
    }

    private static string? Text(JsonElement read, string name) => read.GetProperty(name).GetString();

    private static async Task<(int ExitCode, string Output, string Errors)> ReadAsync(OneMachine machine, ReceivedRequest request, string secret)
    {
        var file = machine["request.json"];
        var headers = request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value);
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(new { headers, body = Encoding.UTF8.GetString(request.Body) }), Cancellation);
        return await TestPackages.RunAsync("read-event.mjs", [file, secret], Cancellation);
    }
}
