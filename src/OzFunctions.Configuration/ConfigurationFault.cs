using System.Globalization;

namespace OzFunctions.Configuration;

/// <summary>One thing wrong with the configuration: where, what stands there, and the rule with the way out.</summary>
/// <param name="Key">Dotted path, <c>backend.direct.oz_path</c>, <c>events[1].url</c>; empty for the whole document.</param>
/// <param name="Value">What stands there, shortened; never a secret.</param>
/// <param name="Line">Line in the file, from 1; null for flags and for what is missing altogether.</param>
/// <param name="Source">The file, or the flag's place; null when there is none.</param>
internal sealed record ConfigurationFault(string Key, string? Value, string Rule, int? Line = null, string? Source = null)
{
    public override string ToString()
    {
        var place = (Source, Line) switch
        {
            (null, null) => "",
            (null, { } line) => string.Create(CultureInfo.InvariantCulture, $"line {line}: "),
            ({ } source, null) => $"{source}: ",
            ({ } source, { } line) => string.Create(CultureInfo.InvariantCulture, $"{source}, line {line}: "),
        };
        var key = Key.Length > 0 ? $"{Key}: " : "";
        var value = Value is null ? "" : $"'{Value}': ";
        return place + key + value + Rule;
    }
}

/// <summary>A configuration, or every fault at once.</summary>
internal sealed record ConfigurationResult(OzfConfiguration? Configuration, IReadOnlyList<ConfigurationFault> Faults)
{
    public bool IsValid => Configuration is not null && Faults.Count == 0;
}
