using OzFunctions.Cli.CommandLine;
using OzFunctions.Configuration;

namespace OzFunctions.Cli.Stores;

/// <summary>Which storage account a call works on. The value may hold a key: nothing prints it.</summary>
internal sealed class StorageSetting
{
    public const string Variable = "OZF_STORAGE";

    private StorageSetting(string value, string origin) => (Value, Origin) = (value, origin);

    /// <summary>A connection string or an https address.</summary>
    public string Value { get; }

    /// <summary>Who said it: a flag, a variable or a key of the configuration.</summary>
    public string Origin { get; }

    /// <summary>What must be masked wherever it shows up, of the store's account and of those that events go to.</summary>
    public static IEnumerable<string> FindSecrets(StorageSetting? storage, OzfConfiguration configuration, SecretValues secrets) =>
        configuration.Events.Select(sink => sink.Connection).OfType<SecretSource>().Select(secrets.Find).Append(storage?.Value).OfType<string>().SelectMany(FindSecrets);

    private static IEnumerable<string> FindSecrets(string value)
    {
        foreach (var part in value.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (part.StartsWith("AccountKey=", StringComparison.OrdinalIgnoreCase))
            {
                yield return value;
                yield return part["AccountKey=".Length..];
            }
            else if (part.StartsWith("SharedAccessSignature=", StringComparison.OrdinalIgnoreCase))
            {
                yield return value;
                yield return part["SharedAccessSignature=".Length..];
                foreach (var signature in part.Split('&', '?').Where(pair => pair.StartsWith("sig=", StringComparison.Ordinal)))
                {
                    yield return signature["sig=".Length..];
                    yield return Uri.UnescapeDataString(signature["sig=".Length..]);
                }
            }
        }
    }

    /// <summary>By flag or variable; null: neither says anything.</summary>
    public static StorageSetting? Find(string? flag, Surroundings surroundings) =>
        flag is not null ? new(flag, "--storage") : surroundings.Variable(Variable) is { } variable ? new(variable, Variable) : null;

    /// <summary>By configuration; null: it says nothing, or its secret has no value here, which the secrets' faults say.</summary>
    public static StorageSetting? Find(StorageConfiguration? storage, SecretValues secrets) => storage switch
    {
        { Address: { } address } => new(address, "storage"),
        { Connection: { } source } when secrets.Find(source) is { } value => new(value, "storage"),
        _ => null,
    };

    /// <summary>Of an emulator that the demo started.</summary>
    public static StorageSetting OfDemo(string connection) => new(connection, "--azurite");

    /// <summary>A value as people may see it: one with a key or a signature is left out.</summary>
    public static string Show(string value) => FindSecrets(value).Any() ? "CONN" : value;

    public override string ToString() => Origin;
}
