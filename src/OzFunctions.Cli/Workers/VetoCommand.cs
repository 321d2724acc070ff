using System.Text.Json;
using OzFunctions.Cli.Machine;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Workers;

/// <summary><c>policy.veto_command</c>: sees the record on its standard input before anything of a run is made; any exit code but 0 refuses the run, with its last words as the reason.</summary>
internal sealed class VetoCommand(string command, IReadOnlyDictionary<string, string> hostEnvironment, TimeProvider time)
{
    private const int Longest = 500;
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(30);

    /// <summary>Why the run is refused; null: it may start. No answer refuses: a boundary that is not there must not look like one.</summary>
    public async Task<string?> FindReasonAsync(RunRecord record, CancellationToken cancellationToken)
    {
        var environment = hostEnvironment.Where(pair => !SecretNames.IsSecret(pair.Key)).ToDictionary();
        environment["OZF_RUN_ID"] = record.RunId.Value;
        var input = JsonSerializer.SerializeToUtf8Bytes(record, RunJson.Wire.RunRecord);
        var answer = await ShortProcess.AskAsync("/bin/sh", ["-c", command], environment, "/", AnswerWithin, time, cancellationToken, input, mostOutput: 4096);
        if (answer is { ExitCode: 0 })
        {
            return null;
        }

        var said = (answer?.Output + "\n" + answer?.Error).Split('\n').Select(line => line.Trim()).LastOrDefault(line => line.Length > 0);
        return answer is null
            ? "it did not answer within 30 seconds."
            : said is null ? $"it ended with {answer.ExitCode} and gave no reason." : said[..Math.Min(said.Length, Longest)];
    }
}
