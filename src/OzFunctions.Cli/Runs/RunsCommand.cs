using System.CommandLine;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs …</c></summary>
internal static class RunsCommand
{
    public static Command Create(Surroundings surroundings) => new Command("runs", "List, follow, cancel, repeat and forget runs").With(
        RunsListCommand.Create(surroundings),
        RunsGetCommand.Create(surroundings),
        RunsLogsCommand.Create(surroundings),
        RunsArtifactsCommand.Create(surroundings),
        RunsCancelCommand.Create(surroundings),
        RunsRetryCommand.Create(surroundings),
        RunsDeleteCommand.Create(surroundings));
}
