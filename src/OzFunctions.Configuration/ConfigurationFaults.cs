using OzFunctions.Requests;

namespace OzFunctions.Configuration;

/// <summary>Collects faults, and which keys the file gave.</summary>
internal sealed class ConfigurationFaults(string? source)
{
    private readonly List<ConfigurationFault> _faults = [];
    private readonly Dictionary<string, ConfigurationOrigin> _origins = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, ConfigurationOrigin> Origins => _origins;

    public int Count => _faults.Count;

    public void Add(string key, string? value, string rule, int? line) =>
        _faults.Add(new ConfigurationFault(key, value is null ? null : FaultValue.Shorten(value), rule, line, source));

    public void NoteOrigin(string key) => _origins[key] = ConfigurationOrigin.File;

    /// <summary>In the order of the file.</summary>
    public IReadOnlyList<ConfigurationFault> ToArray() => [.. _faults.OrderBy(fault => fault.Line ?? int.MaxValue)];
}
