using System.Globalization;
using OzFunctions.Cli.Machine;
using OzFunctions.Events;

namespace OzFunctions.Cli.Events;

/// <summary>
/// Runs a command of the host's owner for each event: <c>/bin/sh -c</c>, the event on its input, its own small environment, bounded time and output. Exit 0 is taken;
/// anything else is tried again like an HTTP receiver that is away.
/// </summary>
internal sealed class CommandPublisher(
    string name,
    string command,
    IReadOnlyList<RunEventKind> kinds,
    IReadOnlyDictionary<string, string> environment,
    string directory,
    TimeSpan timeout,
    Func<string, string> mask,
    TimeProvider time) : IEventPublisher
{
    /// <summary>Of what it prints; the rest is drained and dropped.</summary>
    private const int MostOutput = 4096;

    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public bool IsPrompt => false;

    public RetryPlan Retries => RetryPlan.OneDay;

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        var its = new Dictionary<string, string>(environment, StringComparer.Ordinal)
        {
            ["OZF_EVENT_ID"] = runEvent.Id,
            ["OZF_EVENT_TYPE"] = runEvent.Type,
            ["OZF_RUN_ID"] = runEvent.RunId.Value,
        };
        var answer = await ShortProcess.AskAsync("/bin/sh", ["-c", command], its, directory, timeout, time, cancellationToken, runEvent.Json, MostOutput);
        if (answer.Fault is { } fault)
        {
            throw new EventDeliveryException("The command " + mask(fault));
        }

        if (answer.ExitCode != 0)
        {
            // Masked whole, then cut: of a secret that the cut goes through nobody could tell what it is.
            var said = Last(mask(answer.Error.Length > 0 ? answer.Error : answer.Output));
            throw new EventDeliveryException(string.Create(CultureInfo.InvariantCulture, $"The command exited with code {answer.ExitCode}{(said.Length > 0 ? ": " + said : ".")}")) { Status = answer.ExitCode };
        }
    }

    private static string Last(string text)
    {
        var line = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? "";
        return line.Length <= 200 ? line : line[..200] + "…";
    }
}
