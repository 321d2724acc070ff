using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;
using OzFunctions.Masking;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Logging;

/// <summary>Takes known secrets out of lines of the host's own log, in every form that the logs of runs know.</summary>
internal sealed class LineMask(IEnumerable<string> secrets)
{
    private readonly Masker _masker = new SecretSet().AddAll(secrets).CreateMasker();

    /// <summary>For the values of secret settings and of secret-named variables.</summary>
    /// <param name="flags">The command line, which may hold a key.</param>
    public static LineMask Of(OzfConfiguration configuration, SecretValues settings, ConfigurationFlags flags, StorageSetting? storage, Surroundings surroundings)
    {
        var given = configuration.Direct.Environment.Concat(configuration.Direct.AgentEnvironment).Select(entry => KeyValuePair.Create(entry.Name, entry.Value ?? ""));
        var named = surroundings.Environment.Concat(given).Where(variable => SecretNames.IsSecret(variable.Key)).Select(variable => variable.Value);
        return new(settings.All.Concat(named).Append(flags.ApiKey ?? "").Concat(StorageSetting.FindSecrets(storage, configuration, settings)));
    }

    public string Apply(string line) => _masker.MaskText(line);
}
