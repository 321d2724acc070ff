using System.Globalization;
using System.Text.Json;
using OzFunctions.Direct.Agents;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>Asks <c>policy.veto_command</c> before anything of a run is made: any exit code but 0 refuses the run, with the command's last words as the reason.</summary>
/// <param name="veto">What is asked.</param>
/// <param name="inquiry">How.</param>
/// <param name="mask">Takes secrets out of what it says.</param>
internal sealed class VetoHook(VetoOptions veto, Inquiry inquiry, Func<string, string> mask)
{
    private const int Longest = 500;

    /// <summary>Why the run is refused; null: it may start. No answer refuses: a boundary that is not there must not look like one.</summary>
    /// <param name="record">Of the run.</param>
    /// <param name="stopOrdered">The run is to be stopped: nobody needs the answer any more, and none is waited for.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<string?> FindReasonAsync(RunRecord record, CancellationToken stopOrdered, CancellationToken cancellationToken)
    {
        var variables = veto.Environment.Where(pair => !SecretNames.IsSecret(pair.Key) && pair.Key != "OZF_RUN_ID").Select(pair => $"{pair.Key}={pair.Value}");
        var answer = await inquiry.AskAsync(
            new()
            {
                Arguments = ["/bin/sh", "-c", veto.Command],
                Environment = [.. variables, $"OZF_RUN_ID={record.RunId}"],
                Within = veto.Timeout,
                Input = JsonSerializer.SerializeToUtf8Bytes(record, RunJson.Wire.RunRecord),
                Unwanted = stopOrdered,
            },
            cancellationToken);

        // Standard error says it, where both were used.
        var said = LastOf(answer.Error) ?? LastOf(answer.Output);
        return answer.Status switch
        {
            { SpawnError: not 0 } status => $"it could not be executed: {status.StopDetail}",
            { StoppedBy: ShimStopCause.Cancel } => "it was not waited for, as the run is to be stopped.",
            null or { StoppedBy: not null } => $"it did not answer within {DurationText.Format(veto.Timeout)}.",
            { ExitCode: 0 } => null,
            // Masked whole, then cut: of a secret that the cut goes through nobody could tell what it is.
            _ when said is not null => Shorten(mask(said)),
            { Signal: { } signal } => $"it was ended by signal {SignalNames.Get(signal)} and gave no reason.",
            { ExitCode: var code } => string.Create(CultureInfo.InvariantCulture, $"it ended with {code} and gave no reason."),
        };
    }

    private static string Shorten(string text) => text[..Math.Min(text.Length, Longest)];

    private static string? LastOf(IReadOnlyList<string> lines) => lines.LastOrDefault(line => line.Length > 0);
}
