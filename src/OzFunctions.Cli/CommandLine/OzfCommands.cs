using System.CommandLine;
using OzFunctions.Cli.Completion;
using OzFunctions.Cli.Configuring;
using OzFunctions.Cli.Demo;
using OzFunctions.Cli.Events;
using OzFunctions.Cli.Keys;
using OzFunctions.Cli.Machine;
using OzFunctions.Cli.Queues;
using OzFunctions.Cli.Runs;
using OzFunctions.Cli.Schedules;
using OzFunctions.Cli.Submitting;
using OzFunctions.Cli.Unmanaged;
using OzFunctions.Cli.Up;
using OzFunctions.Cli.Webhooks;
using OzFunctions.Cli.Workers;

namespace OzFunctions.Cli.CommandLine;

/// <summary>The tree of commands.</summary>
internal static class OzfCommands
{
    public static RootCommand Create(Surroundings surroundings)
    {
        var root = new RootCommand("Starts coding agents from queue messages, schedules and webhooks, and runs them on your own hosts.");
        foreach (var version in root.Options.OfType<VersionOption>().ToList())
        {
            // 'ozf version' says more; the flag stays for those who try it first.
            version.Action = new VersionAction(surroundings);
        }

        root.With(GlobalOptions.Data, GlobalOptions.ConfigFile, GlobalOptions.Output, GlobalOptions.Storage, GlobalOptions.Server, GlobalOptions.KeyFile);
        root.With(
            UpCommand.Create(surroundings),
            RunCommand.Create(surroundings),
            ExecCommand.Create(surroundings),
            RunsCommand.Create(surroundings),
            WorkerCommand.Create(surroundings),
            WorkersCommand.Create(surroundings),
            QueueCommand.Create(surroundings),
            SchedulesCommand.Create(surroundings),
            WebhooksCommand.Create(surroundings),
            DeadLettersCommand.Create(surroundings),
            EventsCommand.Create(surroundings),
            KeysCommand.Create(surroundings),
            ConfigCommand.Create(surroundings),
            DoctorCommand.Create(surroundings),
            DemoCommand.Create(surroundings),
            SyncCommand.Create(surroundings),
            CompletionCommand.Create(surroundings, root),
            VersionCommand.Create(surroundings));
        return root;
    }
}
