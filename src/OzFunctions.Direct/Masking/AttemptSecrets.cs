using OzFunctions.Masking;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Masking;

/// <summary>Finds the secrets of an attempt, and the variables whose values cannot be masked. Prints nothing.</summary>
internal sealed class AttemptSecrets
{
    private readonly SecretSet _set = new();
    private readonly SortedSet<string> _unmasked = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Values => _set.Values;

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
                secrets.Add(name, options.Secrets.GetValueOrDefault(secret) ?? "");
            }
            else
            {
                secrets.AddVariable(name, variable.Value ?? "");
            }
        }

        return secrets;
    }

    /// <summary>The same with what an earlier host knew.</summary>
    public static AttemptSecrets Of(IEnumerable<string> values)
    {
        var secrets = new AttemptSecrets();
        secrets._set.AddAll(values);
        return secrets;
    }

    /// <summary>These, and the secret-named ones of what setup wrote.</summary>
    public AttemptSecrets With(IEnumerable<KeyValuePair<string, string>> variables)
    {
        var secrets = Of(Values);
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
            Add(name, value);
        }
    }

    private void Add(string name, string value)
    {
        if (value.Length > 0 && !_set.Add(value))
        {
            _unmasked.Add(name);
        }
    }
}
