using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Http.Keys;
using OzFunctions.Keys;

namespace OzFunctions.Cli.Keys;

/// <summary>The keys of <c>api_keys[]</c> as the front door takes them. Their texts go no further than here.</summary>
internal static class ConfiguredKeys
{
    public static IReadOnlyList<ApiKey> Read(Settings settings)
    {
        var (keys, faults) = (new List<ApiKey>(), new List<string>());
        foreach (var configured in settings.Configuration.ApiKeys)
        {
            if (configured.Sha256 is { } hash)
            {
                keys.Add(new(configured.Name, Convert.FromHexString(hash), configured.Scopes));
                continue;
            }

            var text = settings.Secrets.Get(configured.Source!);
            if (KeyText.FindFault(text) is { } fault)
            {
                faults.Add($"api_keys.{configured.Name}: {configured.Source}: {fault}.");
                continue;
            }

            keys.Add(new(configured.Name, KeyText.Hash(text), configured.Scopes));
        }

        return faults.Count > 0 ? throw CommandException.Usage([.. faults]) : keys;
    }
}
