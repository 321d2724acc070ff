using OzFunctions.Masking;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Masking;

/// <summary>Finds the secrets of an attempt, and the variables whose values cannot be masked. Prints nothing.</summary>
internal sealed class AttemptSecrets
{
    private readonly SecretSet _set = new();
    private readonly SortedSet<string> _unmasked = new(StringComparer.Ordinal);
    private readonly List<string> _given = [];

    public IReadOnlyList<string> Values => _set.Values;

    /// <summary>
    /// Those that stand in what the run's commands are given, and so may lie where the run can read them. The others are the host's own: a run does not have them.
    /// </summary>
    public IReadOnlyList<string> Given => [.. Values.Where(value => _given.Exists(text => text.Contains(value, StringComparison.Ordinal)))];

    /// <summary>Names of the variables of the run that hold a secret which cannot be masked.</summary>
    public IReadOnlyCollection<string> Unmasked => _unmasked;

    /// <summary>What is known before setup: the host's secrets, used or not, and the secret-named variables of its and the request's environments.</summary>
    public static AttemptSecrets Of(DirectOptions options, RunRequest request)
    {
        var secrets = new AttemptSecrets();
        secrets._set.AddAll(options.Secrets.Values).AddAll(options.OtherSecrets);
        secrets._set.AddAll(options.HostEnvironment.Where(pair => SecretNames.IsSecret(pair.Key) || options.HostCredentials.Contains(pair.Key)).Select(pair => pair.Value));
        foreach (var entry in options.Environment.Concat(options.AgentEnvironment))
        {
            secrets.AddVariable(entry.Name, entry.Value ?? options.HostEnvironment.GetValueOrDefault(entry.Name) ?? "");
        }

        foreach (var (name, variable) in request.Env ?? new Dictionary<string, RunVariable>())
        {
            if (variable.Secret is { } secret)
            {
                secrets.Give(name, options.Secrets.GetValueOrDefault(secret) ?? "");
            }
            else
            {
                secrets.AddVariable(name, variable.Value ?? "");
            }
        }

        foreach (var secret in (request.Mcp ?? []).SelectMany(SecretReferences.Find))
        {
            secrets._given.Add(options.Secrets.GetValueOrDefault(secret) ?? "");
        }

        return secrets;
    }

    /// <summary>The same with what an earlier host of the attempt gave to its commands.</summary>
    public AttemptSecrets With(IReadOnlyList<string> given)
    {
        var secrets = new AttemptSecrets();
        secrets._set.AddAll(Values).AddAll(given);
        secrets._given.AddRange([.. _given, .. given]);
        secrets._unmasked.UnionWith(_unmasked);
        return secrets;
    }

    /// <summary>These, and the secret-named ones of what setup wrote.</summary>
    public AttemptSecrets With(IEnumerable<KeyValuePair<string, string>> variables)
    {
        var secrets = new AttemptSecrets();
        secrets._set.AddAll(Values);
        secrets._given.AddRange(_given);
        foreach (var (name, value) in variables)
        {
            secrets.AddVariable(name, value);
        }

        return secrets;
    }

    public override string ToString() => nameof(AttemptSecrets);

    private void AddVariable(string name, string value)
    {
        if (SecretNames.IsSecret(name))
        {
            Give(name, value);
        }
        else
        {
            // A secret of the host under a name that does not say so.
            _given.Add(value);
        }
    }

    private void Give(string name, string value)
    {
        _given.Add(value);
        if (value.Length > 0 && !_set.Add(value))
        {
            _unmasked.Add(name);
        }
    }
}
