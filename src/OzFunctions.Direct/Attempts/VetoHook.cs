using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>
/// Asks <c>policy.veto_command</c> before anything of a run is made: any exit code but 0 refuses the run, with the command's last words as the reason. It has a
/// supervisor of its own, so that nothing it started outlives its answer.
/// </summary>
/// <param name="directory">A directory that is there for this alone; removed at the end.</param>
internal sealed class VetoHook(VetoOptions veto, IShims shims, string directory)
{
    private const int Longest = 500;
    private const int SpoolBytes = 64 << 10;

    // The record by its file, as a supervised command has nothing on its standard input.
    private const string Script = "exec /bin/sh -c \"$1\" <\"$2\"";
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Room = TimeSpan.FromMinutes(1);

    /// <summary>Why the run is refused; null: it may start. No answer refuses: a boundary that is not there must not look like one.</summary>
    /// <param name="record">Of the run.</param>
    /// <param name="stopOrdered">The run is to be stopped: nobody needs the answer any more, and none is waited for.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<string?> FindReasonAsync(RunRecord record, CancellationToken stopOrdered, CancellationToken cancellationToken)
    {
        await ClearAsync(cancellationToken);
        PrivateFiles.CreateDirectory(directory);
        var input = Path.Combine(directory, "record.json");
        AttemptPlaces.WritePrivate(input, JsonSerializer.SerializeToUtf8Bytes(record, RunJson.Wire.RunRecord));
        var status = await AskAsync(record, input, stopOrdered, cancellationToken);
        var said = ReadLastLine();
        await ClearAsync(cancellationToken);
        return status switch
        {
            { SpawnError: not 0 } => $"it could not be executed: {status.StopDetail}",
            { StoppedBy: ShimStopCause.Cancel } => "it was not waited for, as the run is to be stopped.",
            { StoppedBy: not null } => $"it did not answer within {DurationText.Format(veto.Timeout)}.",
            { ExitCode: 0 } => null,
            _ when said is not null => said[..Math.Min(said.Length, Longest)],
            { Signal: { } signal } => $"it was ended by signal {SignalNames.Get(signal)} and gave no reason.",
            _ => string.Create(CultureInfo.InvariantCulture, $"it ended with {status.ExitCode} and gave no reason."),
        };
    }

    private async Task<ShimCommandStatus> AskAsync(RunRecord record, string input, CancellationToken stopOrdered, CancellationToken cancellationToken)
    {
        var variables = veto.Environment.Where(pair => !SecretNames.IsSecret(pair.Key) && pair.Key != "OZF_RUN_ID").Select(pair => $"{pair.Key}={pair.Value}");
        await using var session = await shims.LaunchAsync(new ShimLaunch { PrivateDirectory = directory, Lease = veto.Timeout + Room, EndsWithHost = true, SpoolBytes = SpoolBytes }, cancellationToken);
        await session.StartAsync(new ShimCommand
        {
            Phase = ShimPhase.Setup,
            Arguments = ["/bin/sh", "-c", Script, "veto", veto.Command, input],
            Environment = [.. variables, $"OZF_RUN_ID={record.RunId}"],
            WorkingDirectory = "/",
            Timeout = veto.Timeout,
            StopGrace = StopGrace,
            FinishedGrace = veto.Timeout,
        }, cancellationToken);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var answer = session.WaitAsync(ShimPhase.Setup, over.Token);
        if (await Task.WhenAny(answer, AttemptShim.UntilAsync(stopOrdered, over.Token)) != answer)
        {
            await session.StopAsync(ShimStopCause.Cancel, StopGrace, cancellationToken);
        }

        var status = await answer;
        await over.CancelAsync();
        await session.EndAsync(cancellationToken);
        return status;
    }

    /// <summary>Standard error says it, where both were used.</summary>
    private string? ReadLastLine()
    {
        var (output, error) = (new MemoryStream(), new MemoryStream());
        using var reader = new SpoolReader(Path.Combine(directory, ShimProtocol.SpoolDirectory), SpoolPosition.Start);
        while (reader.TryRead(out var piece))
        {
            if (piece.Cut != default)
            {
                // What stands on both sides of the gap is not one line.
                output.WriteByte((byte)'\n');
                error.WriteByte((byte)'\n');
            }

            if (piece.Stream is SpoolStream.SetupOut or SpoolStream.SetupErr)
            {
                (piece.Stream == SpoolStream.SetupOut ? output : error).Write(piece.Bytes.Span);
            }
        }

        return LastLine(error) ?? LastLine(output);
    }

    private static string? LastLine(MemoryStream text) =>
        Encoding.UTF8.GetString(text.ToArray()).Split('\n').Select(Clean).LastOrDefault(line => line.Length > 0);

    // It goes into the record and onto screens.
    private static string Clean(string line) => string.Concat(line.Where(character => !char.IsControl(character))).Trim();

    /// <summary>A host that was killed while it asked has left the directory, and perhaps a supervisor that is just ending.</summary>
    private async Task ClearAsync(CancellationToken cancellationToken)
    {
        if (Directory.Exists(directory))
        {
            await shims.SweepAsync(directory, cancellationToken);
            TreeRemover.RemoveOnce(directory);
        }
    }
}
