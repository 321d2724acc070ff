using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Configuration;

namespace OzFunctions.Cli.Stores;

/// <summary>What this call works with: the configuration, with flags and variables over it.</summary>
internal sealed record Settings
{
    private const string Blob = "blob:";

    public required OzfConfiguration Configuration { get; init; }

    /// <summary>The file it came from; null: there is none.</summary>
    public string? ConfigurationPath { get; init; }

    public required string DataDirectory { get; init; }

    /// <summary>The storage account to work on; null: plain files in <see cref="DataDirectory"/>.</summary>
    public StorageSetting? Storage { get; init; }

    public required SecretValues Secrets { get; init; }

    /// <summary>Takes the values of secret settings and secret-named variables out of a text.</summary>
    public required Func<string, string> Mask { get; init; }

    /// <summary>Who takes runs that name nobody.</summary>
    public string WorkerId => Configuration.WorkerId ?? CoreSetup.DefaultWorkerId;

    /// <summary>Somebody said where records go; else it is the default directory of plain files.</summary>
    public bool IsStoreNamed => Storage is not null || Configuration.Storage is not null || Configuration.Data is not null || Configuration.Origins.ContainsKey("data");

    /// <param name="configFile">By flag.</param>
    /// <param name="flags">Laid over the configuration.</param>
    /// <param name="storage">By flag.</param>
    /// <param name="surroundings">With the variables.</param>
    /// <param name="warnOfKept">While the store that the configuration is in is away, the one last read here does (<see cref="KeptConfiguration"/>), and this is told. Null: it does not.</param>
    public static Settings Load(string? configFile, ConfigurationFlags flags, string? storage, Surroundings surroundings, Action<string>? warnOfKept = null)
    {
        var path = FindConfigFile(configFile, surroundings);
        var given = StorageSetting.Find(storage, surroundings);
        var data = flags.Data ?? surroundings.Variable("OZF_DATA");
        var read = path is null ? new(new(), [])
            : warnOfKept is not null && given is not null && path.StartsWith(Blob, StringComparison.Ordinal)
                ? KeptConfiguration.Read(path[Blob.Length..], given, data, surroundings, warnOfKept)
            : ReadConfiguration(path, given, surroundings);
        var configuration = Valid(flags.Apply(Valid(read)));
        if (data is not null)
        {
            configuration = configuration with { Origins = new Dictionary<string, ConfigurationOrigin>(configuration.Origins) { ["data"] = ConfigurationOrigin.Flag } };
        }

        var secrets = SecretValues.Resolve(configuration, surroundings.Environment);
        var account = given ?? StorageSetting.Find(configuration.Storage, secrets);
        return new()
        {
            Storage = account,
            Configuration = configuration,
            ConfigurationPath = path,
            DataDirectory = Stores.DataDirectory.Find(data, configuration.Data, surroundings),
            Secrets = secrets,
            Mask = LineMask.Of(configuration, secrets, flags, account, surroundings).Apply,
        };
    }

    /// <summary>A host needs every secret that its configuration names for it; who only looks does not.</summary>
    public void RequireSecrets() => Require(Secrets.FindFaultsOfHost(Configuration));

    /// <summary><c>ozf exec</c> and <c>ozf sync</c> need those of runs, of the store and of events.</summary>
    public void RequireSecretsOfCall() => Require(Secrets.FindFaultsOfCall(Configuration));

    public override string ToString() => nameof(Settings);

    /// <summary>The configuration that the flag names, else the variable; null: neither does. An empty flag names none: start scripts write <c>--config-file "$FILE"</c>.</summary>
    public static string? FindConfigFile(string? flag, Surroundings surroundings) => flag is { Length: > 0 } ? flag : surroundings.Variable("OZF_CONFIG");

    /// <summary>A file, or <c>blob:NAME</c> in the storage account that flag or variable names.</summary>
    public static ConfigurationResult ReadConfiguration(string path, StorageSetting? storage, Surroundings surroundings)
    {
        if (!path.StartsWith(Blob, StringComparison.Ordinal))
        {
            return ConfigurationFile.Load(Path.Combine(surroundings.Directory, path));
        }

        return storage is not null
            ? AzureStore.ReadConfiguration(path[Blob.Length..], storage, surroundings)
            : throw CommandException.Usage($"{path}: a configuration in the store needs the storage account it is in: give --storage or OZF_STORAGE, or name a file.");
    }

    private static void Require(IEnumerable<ConfigurationFault> missing)
    {
        if (missing.Select(fault => fault.ToString()).ToArray() is { Length: > 0 } faults)
        {
            throw CommandException.Usage(faults);
        }
    }

    private static OzfConfiguration Valid(ConfigurationResult result) =>
        result.IsValid ? result.Configuration! : throw CommandException.Usage([.. result.Faults.Select(fault => fault.ToString())]);
}
