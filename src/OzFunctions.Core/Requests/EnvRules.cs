namespace OzFunctions.Requests;

/// <summary>Rules of <c>env{}</c>. Values are never shown: what a caller puts there may be private under any name.</summary>
internal static class EnvRules
{
    public static void Check(IReadOnlyDictionary<string, RunVariable>? env, FaultList faults, string prefix)
    {
        if (env is null)
        {
            return;
        }

        if (env.Count > 256)
        {
            faults.Add(prefix + "env", $"{env.Count} entries", "at most 256 variables are allowed");
        }

        foreach (var (name, variable) in env)
        {
            CheckEntry($"{prefix}env.{name}", name, variable, faults);
        }
    }

    private static void CheckEntry(string path, string name, RunVariable variable, FaultList faults)
    {
        if (!EnvironmentNames.IsName(name))
        {
            faults.Add(path, null, EnvironmentNames.Rule);
        }
        else if (EnvironmentNames.FindReserved(name) is { } reserved)
        {
            faults.Add(path, null, reserved);
        }
        else if (variable.Secret is null && SecretNames.IsSecret(name))
        {
            faults.Add(path, null, $$"""the name says that this is a secret: write {"secret":"NAME"} and define NAME in secrets[] of the configuration that the run is executed with; a literal is refused""");
        }

        if (variable.Secret is { } secret)
        {
            if (!SecretReferences.IsName(secret))
            {
                faults.Add(path + ".secret", null, SecretReferences.NameRule);
            }
        }
        else if (variable.Value is null)
        {
            faults.Add(path, null, """must be a text or {"secret":"NAME"}""");
        }
        else if (variable.Value.Contains('\0', StringComparison.Ordinal))
        {
            faults.Add(path, null, "must not hold a NUL character");
        }
        else if (TextRules.Utf8Length(variable.Value) > RunRequestChecks.LongestPrompt)
        {
            faults.Add(path, null, "a variable's value may have at most 120 KiB; put it into a file");
        }
    }
}
