using System.Globalization;
using System.Text;

namespace OzFunctions.AzureStorage;

/// <summary>
/// Blob names as the service keeps them. Nearly all stay as they are; what the service would change or refuse is written <c>%0A</c> or <c>%uD800</c>: control
/// characters, backslashes, lone surrogates, a dot at the end of a segment, and a <c>%</c> that could be read as one of these.
/// </summary>
internal static class AzureNames
{
    // Azure: "Naming and referencing containers, blobs, and metadata". The emulator takes more of both.
    private const int LongestName = 1024;
    private const int MostSegments = 254;

    /// <summary>Throws <see cref="ArgumentException"/> when it is no blob name, or the service would refuse what it is stored under.</summary>
    public static string Encode(string name)
    {
        Check(name);
        var stored = EncodePrefix(name);
        return stored.Length <= LongestName
            ? stored
            : throw new ArgumentException($"A blob name has at most {LongestName} characters; '{name[..60]}…' is stored with {stored.Length}.", nameof(name));
    }

    /// <summary>The same for the beginning of names.</summary>
    public static string EncodePrefix(string name)
    {
        var first = 0;
        while (first < name.Length && !IsSpecial(name, first))
        {
            first++;
        }

        if (first == name.Length)
        {
            return name;
        }

        var text = new StringBuilder(name, 0, first, name.Length + 16);
        for (var i = first; i < name.Length; i++)
        {
            if (char.IsSurrogatePair(name, i))
            {
                text.Append(name, i++, 2);
            }
            else if (!IsSpecial(name, i))
            {
                text.Append(name[i]);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"{(name[i] > 0xFF ? $"%u{(int)name[i]:X4}" : $"%{(int)name[i]:X2}")}");
            }
        }

        return text.ToString();
    }

    public static string Decode(string stored)
    {
        if (!stored.Contains('%', StringComparison.Ordinal))
        {
            return stored;
        }

        var text = new StringBuilder(stored.Length);
        for (var i = 0; i < stored.Length; i++)
        {
            if (stored[i] == '%' && EscapeAt(stored, i) is { } escape)
            {
                text.Append(escape.Char);
                i += escape.Length - 1;
            }
            else
            {
                text.Append(stored[i]);
            }
        }

        return text.ToString();
    }

    private static void Check(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.AsSpan().Count('/') >= MostSegments)
        {
            throw new ArgumentException($"A blob name has at most {MostSegments} segments; '{name[..60]}…' has more.", nameof(name));
        }

        foreach (var segment in name.AsSpan().Split('/'))
        {
            if (name.AsSpan(segment) is "" or "." or "..")
            {
                throw new ArgumentException($"'{name}' is not a blob name: it holds an empty, '.' or '..' segment.", nameof(name));
            }
        }
    }

    private static bool IsSpecial(string name, int at) => name[at] switch
    {
        '%' => EscapeAt(name, at) is not null,
        '\\' => true,
        '.' => at == name.Length - 1 || name[at + 1] == '/',
        >= '\uFFFE' => true,
        var c when char.IsControl(c) => true,
        var c when char.IsHighSurrogate(c) => at + 1 == name.Length || !char.IsLowSurrogate(name[at + 1]),
        var c when char.IsLowSurrogate(c) => at == 0 || !char.IsHighSurrogate(name[at - 1]),
        _ => false,
    };

    /// <summary>A <c>%</c> with its digits; null: it stands for itself.</summary>
    private static (char Char, int Length)? EscapeAt(string text, int at)
    {
        var rest = text.AsSpan(at + 1);
        return rest.Length >= 5 && rest[0] == 'u' && ushort.TryParse(rest[1..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var wide) ? ((char)wide, 6)
            : rest.Length >= 2 && byte.TryParse(rest[..2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var narrow) ? ((char)narrow, 3)
            : null;
    }
}
