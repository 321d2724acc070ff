using OzFunctions.Keys;
using OzFunctions.Masking;
using OzFunctions.Webhooks;

namespace OzFunctions.Configuration;

/// <summary>The values behind every secret source of a configuration, read once at start. Prints nothing.</summary>
internal sealed class SecretValues
{
    private const int MostBytes = 1 << 20;

    private static readonly string[] OfFunctionApp = ["api_keys.", "webhooks."];

    private static readonly string[] OfCall = ["secrets.", "events."];

    private readonly Dictionary<SecretSource, string> _values = [];

    private SecretValues()
    {
    }

    /// <summary>Every value, for the masker.</summary>
    public IReadOnlyCollection<string> All => _values.Values;

    public IReadOnlyList<ConfigurationFault> Faults { get; private set; } = [];

    /// <summary>
    /// Those that stop a process that only takes requests in and sends to Service Bus (the function app): secrets of runs, of the backend, of receivers by HTTP and of
    /// commands are the hosts' own, and need no value here.
    /// </summary>
    public IEnumerable<ConfigurationFault> FindFaultsOfFunctionApp(OzfConfiguration configuration)
    {
        var topics = TopicsOf(configuration);
        return Faults.Where(fault => OfFunctionApp.Any(key => fault.Key.StartsWith(key, StringComparison.Ordinal)) || topics.Contains(fault.Key));
    }

    /// <summary>Those that stop a host: it needs every secret but those of Service Bus topics, to which only the function app sends.</summary>
    public IEnumerable<ConfigurationFault> FindFaultsOfHost(OzfConfiguration configuration)
    {
        var topics = TopicsOf(configuration);
        return Faults.Where(fault => !topics.Contains(fault.Key));
    }

    /// <summary>Those that stop a call that runs an agent in its caller's place: what workers and front doors alone need may be closed to the caller.</summary>
    public IEnumerable<ConfigurationFault> FindFaultsOfCall(OzfConfiguration configuration) =>
        FindFaultsOfHost(configuration).Where(fault => fault.Key == "storage" || OfCall.Any(key => fault.Key.StartsWith(key, StringComparison.Ordinal)));

    /// <summary>The value of a source of this configuration; a source with a fault has none.</summary>
    public string Get(SecretSource source) => _values[source];

    /// <summary>Null: the source has a fault.</summary>
    public string? Find(SecretSource source) => _values.GetValueOrDefault(source);

    /// <summary>Names with values, as <c>secrets[]</c> has them.</summary>
    public IReadOnlyDictionary<string, string> ByName(IEnumerable<NamedSecret> secrets) =>
        secrets.Where(secret => _values.ContainsKey(secret.Source)).ToDictionary(secret => secret.Name, secret => _values[secret.Source], StringComparer.Ordinal);

    /// <param name="environment">The host's environment.</param>
    public static SecretValues Resolve(OzfConfiguration configuration, IReadOnlyDictionary<string, string> environment)
    {
        var resolved = new SecretValues();
        var faults = new List<ConfigurationFault>();
        foreach (var (key, source) in Sources(configuration))
        {
            if ((Read(source, environment, out var value) ?? UnresolvedReference.FindFault(value) ?? FindWeakness(key, value)) is { } fault)
            {
                faults.Add(new ConfigurationFault(key, source.ToString(), fault));
            }
            else
            {
                resolved._values[source] = value;
            }
        }

        foreach (var (webhook, source) in configuration.Webhooks.SelectMany(webhook => webhook.Secrets.Select(source => (webhook, source))))
        {
            var key = $"webhooks.{webhook.Name}.secret";
            if (faults.All(fault => fault.Key != key) && resolved.Find(source) is { } value && webhook.Kind.FindSecretFault(value) is { } fault)
            {
                faults.Add(new ConfigurationFault(key, source.ToString(), fault));
            }
        }

        resolved.Faults = faults;
        return resolved;
    }

    public override string ToString() => nameof(SecretValues);

    private static HashSet<string> TopicsOf(OzfConfiguration configuration) => [.. configuration.Events.Where(sink => sink.Topic is not null).Select(sink => sink.ConnectionKey)];

    private static IEnumerable<(string Key, SecretSource Source)> Sources(OzfConfiguration configuration)
    {
        var named = configuration.Secrets.Select(secret => ($"secrets.{secret.Name}", secret.Source))
            .Concat(configuration.Webhooks.SelectMany(webhook => webhook.Secrets.Select((secret, i) => (webhook.Secrets.Count == 1 ? $"webhooks.{webhook.Name}.secret" : $"webhooks.{webhook.Name}.secrets[{i}]", secret))));
        var optional = configuration.Events.SelectMany(FindSources)
            .Concat(configuration.Direct.Environment.Select(entry => ($"backend.direct.environment.{entry.Name}", entry.Source)))
            .Concat(configuration.Direct.AgentEnvironment.Select(entry => ($"backend.direct.agent_environment.{entry.Name}", entry.Source)))
            .Concat(configuration.ApiKeys.Select(key => ($"api_keys.{key.Name}", key.Source)))
            .Append(("storage", configuration.Storage?.Connection));
        return named.Concat(optional.Where(entry => entry.Item2 is not null).Select(entry => (entry.Item1, entry.Item2!)));
    }

    private static IEnumerable<(string Key, SecretSource? Source)> FindSources(EventConfiguration publisher) =>
    [
        .. publisher.Secrets.Select(secret => ($"events.{publisher.Name}.secret", (SecretSource?)secret)),
        (publisher.ConnectionKey, publisher.Connection),
        .. publisher.Environment.Select(entry => ($"events.{publisher.Name}.environment.{entry.Name}", entry.Source)),
    ];

    /// <summary>A secret must be masked wherever it shows up, which takes a value that is not in every text anyway. Variables of runs may have any; their records warn.</summary>
    private static string? FindWeakness(string key, string value) => key.StartsWith("backend.", StringComparison.Ordinal) || SecretSet.CanMask(value) ? null
        : value.Trim().Length < SecretSet.LeastLength ? $"its value is shorter than {SecretSet.LeastLength} characters, too short to be masked in logs; use a longer one"
        : "its value is a common word or one character over and over, which cannot be masked in logs; use another one";

    private static string? Read(SecretSource source, IReadOnlyDictionary<string, string> environment, out string value)
    {
        value = "";
        if (source.Env is { } name)
        {
            value = environment.GetValueOrDefault(name, "");
            return value.Length > 0 ? null : $"the variable {name} is not set in the environment of this host";
        }

        try
        {
            using var file = new FileStream(source.File!, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (file.Length > MostBytes)
            {
                return $"the file {source.File} is larger than 1 MiB";
            }

            using var reader = new StreamReader(file);

            // Editors and `echo` end a file with a newline, which is never part of a secret.
            value = reader.ReadToEnd().TrimEnd('\r', '\n');
            return value.Length > 0 ? null : $"the file {source.File} is empty";
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return $"the file {source.File} does not exist";
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"the file {source.File} cannot be read by this host";
        }
    }
}
