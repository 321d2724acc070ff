using System.Text;

namespace OzFunctions.Masking;

/// <summary>Values that must not be seen. Prints nothing.</summary>
public sealed class SecretSet
{
    /// <summary>Shorter values stand in ordinary text all the time; masking them would hide the text and protect nothing.</summary>
    public const int LeastLength = 6;

    // Values that switches have, whatever their names.
    private static readonly string[] Common =
        ["default", "disable", "disabled", "enable", "enabled", "localhost", "optional", "required", "unknown", "undefined", "inherit", "prompt", "always", "manual", "system"];

    private readonly HashSet<string> _values = new(StringComparer.Ordinal);

    /// <summary>The values in an order of their own, for whom must know the same set.</summary>
    public IReadOnlyList<string> Values => [.. _values.Order(StringComparer.Ordinal)];

    /// <summary>Whether a value is long and rare enough to be found in a text without hiding ordinary words.</summary>
    public static bool CanMask(string value)
    {
        var core = value.AsSpan().Trim();
        return core.Length >= LeastLength && core.ContainsAnyExcept(core[0]) && !IsCommon(core);
    }

    /// <summary>Adds a value; false: it cannot be masked.</summary>
    public bool Add(string value)
    {
        if (!CanMask(value))
        {
            return false;
        }

        _values.Add(value);
        return true;
    }

    /// <summary>Adds those that can be masked.</summary>
    public SecretSet AddAll(IEnumerable<string> values)
    {
        foreach (var value in values)
        {
            Add(value);
        }

        return this;
    }

    /// <summary>A masker of the values as they are and in the forms that programs print them in.</summary>
    public Masker CreateMasker()
    {
        var patterns = new HashSet<string>(_values.SelectMany(SecretForms.Of), StringComparer.Ordinal);
        var wrapped = new HashSet<string>(_values.SelectMany(SecretForms.Wrapped), StringComparer.Ordinal);
        return patterns.Count == 0 ? Masker.None : new Masker([.. patterns.Select(Encoding.UTF8.GetBytes)], [.. wrapped.Select(Encoding.UTF8.GetBytes)]);
    }

    public override string ToString() => nameof(SecretSet);

    private static bool IsCommon(ReadOnlySpan<char> value)
    {
        foreach (var word in Common)
        {
            if (value.Equals(word, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
