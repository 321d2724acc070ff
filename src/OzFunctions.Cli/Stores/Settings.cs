using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Configuration;
using OzFunctions.Cli.Logging;

namespace OzFunctions.Cli.Stores;

/// <summary>What this call works with: the configuration, with flags and variables over it.</summary>
internal sealed record Settings
{
    public required OzfConfiguration Configuration { get; init; }

    /// <summary>The file it came from; null: there is none.</summary>
    public string? ConfigurationPath { get; init; }

    public required string DataDirectory { get; init; }

    public required SecretValues Secrets { get; init; }

    /// <summary>Takes the values of secret settings and secret-named variables out of a text.</summary>
    public required Func<string, string> Mask { get; init; }

    /// <summary>Who takes runs that name nobody.</summary>
    public string WorkerId => Configuration.WorkerId ?? "local";

    /// <summary>Somebody said where records go; else it is the default directory of plain files.</summary>
    public bool IsStoreNamed => Configuration.Storage is not null || Configuration.Data is not null || Configuration.Origins.ContainsKey("data");

    public static Settings Load(string? configFile, ConfigurationFlags flags, string? storage, Surroundings surroundings)
    {
        var path = configFile ?? surroundings.Variable("OZF_CONFIG");
        var configuration = Valid(flags.Apply(path is null ? new OzfConfiguration() : Valid(ReadConfiguration(path, surroundings))));
        RefuseStorage(storage, configuration, surroundings);
        var data = flags.Data ?? surroundings.Variable("OZF_DATA");
        if (data is not null)
        {
            configuration = configuration with { Origins = new Dictionary<string, ConfigurationOrigin>(configuration.Origins) { ["data"] = ConfigurationOrigin.Flag } };
        }

        var secrets = SecretValues.Resolve(configuration, surroundings.Environment);
        return new()
        {
            Configuration = configuration,
            ConfigurationPath = path,
            DataDirectory = Stores.DataDirectory.Find(data, configuration.Data, surroundings),
            Secrets = secrets,
            Mask = LineMask.Of(configuration, secrets, flags, surroundings).Apply,
        };
    }

    /// <summary>A host needs every secret that its configuration names; who only looks does not.</summary>
    public void RequireSecrets()
    {
        if (Secrets.Faults.Count > 0)
        {
            throw CommandException.Usage([.. Secrets.Faults.Select(fault => fault.ToString())]);
        }
    }

    public override string ToString() => nameof(Settings);

    private static ConfigurationResult ReadConfiguration(string path, Surroundings surroundings) => path.StartsWith("blob:", StringComparison.Ordinal)
        ? throw CommandException.Usage($"'{path}': a configuration in the blob store needs Azure Storage, which comes with the next version; give a file.")
        : ConfigurationFile.Load(Path.Combine(surroundings.Directory, path));

    private static OzfConfiguration Valid(ConfigurationResult result) =>
        result.IsValid ? result.Configuration! : throw CommandException.Usage([.. result.Faults.Select(fault => fault.ToString())]);

    private static void RefuseStorage(string? flag, OzfConfiguration configuration, Surroundings surroundings)
    {
        // The value may be a connection string: it is not repeated.
        var where = flag is not null ? "--storage"
            : surroundings.Variable("OZF_STORAGE") is not null ? "OZF_STORAGE"
            : configuration.Storage is not null ? "storage"
            : null;
        if (where is not null)
        {
            throw CommandException.Usage($"{where}: Azure Storage comes with the next version; this one keeps plain files (--data DIR). Leave {where} out.");
        }
    }
}
