using System.Globalization;
using OzFunctions.Requests;

namespace OzFunctions.Configuration;

/// <summary>
/// One mapping while it is read. Asking for a key makes it known; <see cref="End"/> names what nobody asked for.
/// A value of the wrong kind is a fault and reads as if it were not given.
/// </summary>
internal sealed class Section
{
    private delegate bool DurationParser(string? text, out TimeSpan duration);

    private readonly ConfigurationFaults _faults;
    private readonly Dictionary<string, (int Line, YamlItem Value)> _entries = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];

    public Section(YamlMap map, string path, ConfigurationFaults faults)
    {
        (Path, Line, _faults) = (path, map.Line, faults);
        foreach (var (key, line, value) in map.Entries)
        {
            if (!_entries.TryAdd(key, (line, value)))
            {
                _faults.Add(Full(key), null, $"is given twice, first in line {_entries[key].Line}; give it once", line);
            }
        }
    }

    public string Path { get; }

    public int Line { get; }

    public ConfigurationFaults Faults => _faults;

    public string Full(string key) => Path.Length == 0 ? key : $"{Path}.{key}";

    public bool Has(string key) => Find(key) is not null;

    /// <summary>Whether the key stands there, even with nothing behind it.</summary>
    public bool Mentions(string key) => _entries.ContainsKey(key);

    public int? LineOf(string key) => _entries.TryGetValue(key, out var entry) ? entry.Line : Line;

    /// <summary>The key's item; null when it is absent or null. Notes that the file said it.</summary>
    public YamlItem? Find(string key)
    {
        if (!_known.Contains(key))
        {
            _known.Add(key);
        }

        if (!_entries.TryGetValue(key, out var entry) || entry.Value is YamlText { IsNull: true })
        {
            return null;
        }

        _faults.NoteOrigin(Full(key));
        return entry.Value;
    }

    public string? Text(string key, bool mayBeEmpty = false)
    {
        switch (Find(key))
        {
            case null:
                return null;
            case YamlText text when text.Value.Contains('\0', StringComparison.Ordinal):
                return Refuse<string>(key, null, "must not hold a NUL character");
            case YamlText { Value: "" } when !mayBeEmpty:
                return Refuse<string>(key, "", "is empty; leave it out instead");
            case YamlText text:
                return text.Value;
            case var other:
                return Wrong<string>(key, other, "must be a text");
        }
    }

    /// <summary>A text that a rule accepts; the rule answers what is wrong.</summary>
    public string? Text(string key, Func<string, string?> findFault)
    {
        var text = Text(key);
        return text is not null && findFault(text) is { } fault ? Refuse<string>(key, text, fault) : text;
    }

    /// <summary>For a key of the vendor's, whose worker takes a text with nothing in it for a key that is not there.</summary>
    public string? TextOrNone(string key, Func<string, string?>? findFault = null) => IsEmpty(key) ? null : findFault is null ? Text(key) : Text(key, findFault);

    public string? OneOf(string key, params string[] possible) =>
        Text(key, text => possible.Contains(text) ? null : $"must be one of {string.Join(", ", possible)}{Suggestion.For(text, possible)}");

    public bool? Flag(string key) => Find(key) switch
    {
        null => null,
        YamlText { IsPlain: true, Value: "true" or "True" or "TRUE" } => true,
        YamlText { IsPlain: true, Value: "false" or "False" or "FALSE" } => false,
        var other => Wrong<bool?>(key, other, "must be true or false, without quotes"),
    };

    /// <summary>For a key of the vendor's, whose worker takes the words of YAML 1.1 too, with and without quotes.</summary>
    public bool? WordyFlag(string key) => Find(key) switch
    {
        YamlText { Value: "y" or "Y" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" } => true,
        YamlText { Value: "n" or "N" or "no" or "No" or "NO" or "off" or "Off" or "OFF" } => false,
        _ => Flag(key),
    };

    public int? Number(string key, int least, int most)
    {
        if (Find(key) is not { } item)
        {
            return null;
        }

        return item is YamlText { IsPlain: true } text && int.TryParse(text.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : Wrong<int?>(key, item, string.Create(CultureInfo.InvariantCulture, $"must be a whole number{(most < int.MaxValue ? $" from {least} to {most}" : least > int.MinValue ? $" of at least {least}" : "")}, without quotes"));
    }

    public double? Fraction(string key, double least, double most)
    {
        if (Find(key) is not { } item)
        {
            return null;
        }

        return item is YamlText { IsPlain: true } text && double.TryParse(text.Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : Wrong<double?>(key, item, string.Create(CultureInfo.InvariantCulture, $"must be a number from {least} to {most}, without quotes"));
    }

    public TimeSpan? Duration(string key, TimeSpan least, TimeSpan most) => Duration(key, least, most, DurationText.TryParse, DurationText.Rule);

    /// <summary>For a key of the vendor's, whose durations have more forms than ours, and where a text with nothing in it is as good as none.</summary>
    public TimeSpan? HumanDuration(string key, TimeSpan least, TimeSpan most) =>
        IsEmpty(key) ? null : Duration(key, least, most, Configuration.HumanDuration.TryParse, Configuration.HumanDuration.Rule);

    /// <summary>Whether an empty text stands there; the key is known then.</summary>
    private bool IsEmpty(string key)
    {
        if (!_entries.TryGetValue(key, out var entry) || entry.Value is not YamlText { Value: "" })
        {
            return false;
        }

        _known.Add(key);
        return true;
    }

    private TimeSpan? Duration(string key, TimeSpan least, TimeSpan most, DurationParser parse, string rule)
    {
        if (Find(key) is not { } item)
        {
            return null;
        }

        if (item is not YamlText text || !parse(text.Value, out var duration))
        {
            return Wrong<TimeSpan?>(key, item, $"must be {rule}");
        }

        return duration >= least && duration <= most
            ? duration
            : Wrong<TimeSpan?>(key, item, $"must be from {DurationText.Format(least)} to {DurationText.Format(most)}");
    }

    /// <param name="reason">Why no more, and the way out.</param>
    public long? Size(string key, long least = 0, long most = long.MaxValue, string reason = "")
    {
        if (Find(key) is not { } item)
        {
            return null;
        }

        if (item is not YamlText text || !SizeText.TryParse(text.Value, out var bytes))
        {
            return Wrong<long?>(key, item, $"must be {SizeText.Rule}");
        }

        return bytes < least ? Wrong<long?>(key, item, $"must be at least {SizeText.Format(least)}")
            : bytes > most ? Wrong<long?>(key, item, $"must be at most {SizeText.Format(most)}: {reason}")
            : bytes;
    }

    public List<string>? Texts(string key)
    {
        if (Find(key) is not { } item)
        {
            return null;
        }

        if (item is not YamlList list)
        {
            return Wrong<List<string>>(key, item, "must be a list of texts, one '- …' a line");
        }

        var texts = new List<string>();
        for (var i = 0; i < list.Items.Count; i++)
        {
            if (list.Items[i] is YamlText { IsNull: false, Value.Length: > 0 } text)
            {
                texts.Add(text.Value);
            }
            else
            {
                _faults.Add(string.Create(CultureInfo.InvariantCulture, $"{Full(key)}[{i}]"), null, "must be a text that is not empty", list.Items[i].Line);
            }
        }

        return texts;
    }

    /// <summary>The mapping below a key, empty when nothing stands behind it; null when absent. The caller ends it.</summary>
    public Section? Below(string key) => Find(key) switch
    {
        null when Mentions(key) => new Section(new YamlMap([], _entries[key].Line), Full(key), _faults),
        null => null,
        YamlMap map => new Section(map, Full(key), _faults),
        var other => Wrong<Section>(key, other, "must be a mapping of keys, indented below it"),
    };

    /// <summary>The mappings of a list; each is ended here.</summary>
    public List<T> Items<T>(string key, Func<Section, T?> read)
        where T : class
    {
        var result = new List<T>();
        if (Find(key) is not { } item)
        {
            return result;
        }

        if (item is not YamlList list)
        {
            Wrong<string>(key, item, "must be a list, one '- name: …' for each entry");
            return result;
        }

        for (var i = 0; i < list.Items.Count; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{Full(key)}[{i}]");
            if (list.Items[i] is not YamlMap map)
            {
                _faults.Add(path, null, "must be a mapping, '- name: …'", list.Items[i].Line);
                continue;
            }

            var section = new Section(map, path, _faults);
            if (read(section) is { } value)
            {
                result.Add(value);
            }

            section.End();
        }

        return result;
    }

    public void Missing(string key, string rule) => _faults.Add(Full(key), null, "is missing: " + rule, Line);

    /// <summary>Names the keys that nobody asked for.</summary>
    public void End()
    {
        foreach (var (key, (line, _)) in _entries)
        {
            if (!_known.Contains(key))
            {
                _faults.Add(Full(key), null, "is not a key of the configuration" + Suggestion.For(key, _known), line);
            }
        }
    }

    public T? Wrong<T>(string key, YamlItem item, string rule) => Refuse<T>(key, item switch
    {
        YamlText text => text.Value,
        YamlList => "a list",
        YamlMap => "a mapping",
        _ => null,
    }, rule);

    public T? Refuse<T>(string key, string? value, string rule)
    {
        _faults.Add(Full(key), SecretNames.LooksSecret(key) ? null : value, rule, LineOf(key));
        return default;
    }
}
