using System.CommandLine;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Stores;

namespace OzFunctions.Cli.Workers;

/// <summary>What <c>ozf worker</c> and <c>ozf up</c> have in common: with <c>--log-format json</c> every line on stderr is one of the host's log, also the last.</summary>
internal static partial class HostCommand
{
    public static Command DoesAsHost(this Command command, Surroundings surroundings, WorkerFlags flags, Func<CommandContext, CancellationToken, Task<int>> action) =>
        command.Does(surroundings, async (context, cancellationToken) =>
        {
            try
            {
                return await action(context, cancellationToken);
            }
            catch (Exception ex) when (flags.FormatOf(context) == LogFormat.Json)
            {
                // The boundary of a host whose log programs read: what ends it is theirs to find.
                return Log(ex, context);
            }
        });

    /// <summary><see cref="OpenStore.RepairAsync"/>, with what it has to do without in the log.</summary>
    public static Task RepairAsync(OpenStore store, ILogger logger, CancellationToken cancellationToken) =>
        store.RepairAsync(without => Without(logger, without), cancellationToken);

    private static int Log(Exception exception, CommandContext context)
    {
        var debug = context.Surroundings.Variable("OZF_DEBUG") == "1";
        var logger = context.LoggersOfEnd(debug ? LogLevel.Debug : LogLevel.Error, LogFormat.Json).CreateLogger("OzFunctions.Cli");
        var (exitCode, sentences) = OzfProgram.Explain(exception);
        foreach (var sentence in sentences)
        {
            Ended(logger, sentence, debug ? exception : null);
        }

        return exitCode;
    }

    [LoggerMessage(LogLevel.Warning, "{Why}")]
    private static partial void Without(ILogger logger, string why);

    [LoggerMessage(LogLevel.Error, "{Why}")]
    private static partial void Ended(ILogger logger, string why, Exception? exception);
}
