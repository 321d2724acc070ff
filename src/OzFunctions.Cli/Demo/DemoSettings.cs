using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Configuration;

namespace OzFunctions.Cli.Demo;

/// <summary>What the demo's worker is set to: everything below one temporary directory.</summary>
internal static class DemoSettings
{
    /// <summary>The request that the demo sends.</summary>
    public const string Request = """
        {
          "title": "Say who wrote it",
          "prompt": "Add a note to the README that says what was asked for.",
          "worker_id": "demo",
          "timeout": "5m",
          "metadata": { "source": "ozf demo" }
        }
        """;

    /// <param name="settings">Consulted for the real CLI only: the demo itself needs no set-up, so a broken one must not stop it.</param>
    public static Settings Create(string place, string repository, bool realOz, Func<Settings> settings, Surroundings surroundings)
    {
        var data = Path.Combine(place, "data");
        var none = SecretValues.Resolve(new OzfConfiguration(), surroundings.Environment);
        var sample = Path.Combine(AppContext.BaseDirectory, "samples", "agent", "oz");
        if (!realOz && !File.Exists(sample))
        {
            throw CommandException.Unavailable($"the demo's agent {sample} is missing from this installation; 'ozf demo --oz' uses the real one.");
        }

        return new()
        {
            DataDirectory = data,
            Secrets = none,
            Mask = LineMask.Of(new OzfConfiguration(), none, new ConfigurationFlags(), storage: null, surroundings).Apply,
            Configuration = new OzfConfiguration
            {
                WorkerId = "demo",
                MaxConcurrentTasks = 1,
                Direct = new()
                {
                    WorkspaceRoot = Path.Combine(data, "workspaces"),
                    OzPath = realOz ? settings().Configuration.Direct.OzPath : sample,

                    // The real CLI keeps its login in the home directory.
                    PrivateHome = !realOz,
                    SetupCommand = realOz
                        ? "echo \"Cloning into $OZ_WORKSPACE_ROOT\"; git clone --quiet \"$DEMO_REPOSITORY\" ."
                        : "echo \"Run $OZ_RUN_ID gets the workspace $(basename \"$OZ_WORKSPACE_ROOT\")\"",
                    TeardownCommand = "echo \"The run ended $OZF_RUN_STATE; the workspace goes\"",
                    Environment = [new("DEMO_REPOSITORY", repository)],
                    AgentEnvironment = realOz && surroundings.Variable(WorkerSetup.ApiKey) is not null ? [new(WorkerSetup.ApiKey, null)] : [],
                },

                // A demo must not fail for a full laptop.
                Limits = new() { DiskFree = 64L << 20, InodesFree = 1_000, MemoryFree = 0 },
            },
        };
    }
}
