using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Files;

/// <summary>
/// Turns blob names into relative paths and back, by the name alone. What the platform takes stays as it is; <c>%</c>, control characters and
/// lone surrogates are written <c>%25</c>, <c>%0A</c>, <c>%uD800</c>; a segment too long for a directory entry goes on below <c>…%+</c> directories.
/// </summary>
internal static class FileNames
{
    /// <summary>As in Azure: the same name must be good in every store.</summary>
    public const int LongestName = 1024;

    private const int LongestEntry = 240; // the limit is 255 bytes
    private const int Part = 200;
    private const string Continued = "%+";

    /// <summary>The relative path of a blob. Throws <see cref="ArgumentException"/> when it is no blob name.</summary>
    public static string PathOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length > LongestName)
        {
            throw new ArgumentException($"A blob name has at most {LongestName} characters; '{name[..60]}…' has {name.Length}.", nameof(name));
        }

        if (IsPlain(name))
        {
            return name;
        }

        var path = new StringBuilder();
        foreach (var segment in name.Split('/'))
        {
            if (segment is "" or "." or "..")
            {
                throw new ArgumentException($"'{name}' is not a blob name: it holds an empty, '.' or '..' segment.", nameof(name));
            }

            path.Append(path.Length == 0 ? "" : "/");
            AppendSegment(path, segment);
        }

        return path.ToString();
    }

    /// <summary>One file name for any text, such as a worker's or a queue's name.</summary>
    public static string Single(string text)
    {
        var encoded = Encode(text).Replace("/", "%2F", StringComparison.Ordinal);
        encoded = encoded switch
        {
            "" => "%",
            ['.', ..] => $"%2E{encoded[1..]}",
            _ => encoded,
        };
        return Encoding.UTF8.GetByteCount(encoded) <= Part ? encoded : $"%h{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";
    }

    /// <summary>Whether a directory entry holds further parts of one long segment.</summary>
    public static bool IsContinued(string entry) => entry.EndsWith(Continued, StringComparison.Ordinal);

    /// <summary>The text a directory entry stands for; null when it is none of ours.</summary>
    public static string? Decode(string entry)
    {
        entry = IsContinued(entry) ? entry[..^Continued.Length] : entry;
        if (!entry.Contains('%', StringComparison.Ordinal))
        {
            return entry;
        }

        var text = new StringBuilder(entry.Length);
        for (var i = 0; i < entry.Length; i++)
        {
            if (entry[i] != '%')
            {
                text.Append(entry[i]);
                continue;
            }

            var wide = i + 1 < entry.Length && entry[i + 1] == 'u';
            var (start, digits) = wide ? (i + 2, 4) : (i + 1, 2);
            if (start + digits > entry.Length
                || !ushort.TryParse(entry.AsSpan(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code))
            {
                return null;
            }

            text.Append((char)code);
            i = start + digits - 1;
        }

        return text.ToString();
    }

    // Nearly all names are ours: short lower-case words, digits and ids.
    private static bool IsPlain(string name)
    {
        if (name.Length is 0 or > LongestEntry || name[0] == '/' || name[^1] == '/' || name.Contains("//", StringComparison.Ordinal))
        {
            return false;
        }

        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            var startsSegment = i == 0 || name[i - 1] == '/';
            if (!(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '/' || (c == '.' && !startsSegment)))
            {
                return false;
            }
        }

        return true;
    }

    private static void AppendSegment(StringBuilder path, string segment)
    {
        var encoded = Encode(segment);
        while (Encoding.UTF8.GetByteCount(encoded) > LongestEntry)
        {
            var cut = CutAt(encoded);
            path.Append(encoded, 0, cut).Append(Continued).Append('/');
            encoded = encoded[cut..];
        }

        // What is left over must not become a way out of the directory.
        path.Append(encoded switch { "." => "%2E", ".." => "%2E%2E", _ => encoded });
    }

    /// <summary>The last place within <see cref="Part"/> bytes that parts neither an escape nor a surrogate pair.</summary>
    private static int CutAt(string encoded)
    {
        var (cut, bytes) = (0, 0);
        while (true)
        {
            var unit = encoded[cut] == '%' ? (encoded[cut + 1] == 'u' ? 6 : 3) : char.IsHighSurrogate(encoded[cut]) ? 2 : 1;
            bytes += Encoding.UTF8.GetByteCount(encoded.AsSpan(cut, unit));
            if (bytes > Part)
            {
                return cut;
            }

            cut += unit;
        }
    }

    private static string Encode(string text)
    {
        var encoded = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                encoded.Append(c).Append(text[++i]);
            }
            else if (char.IsSurrogate(c))
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%u{(int)c:X4}");
            }
            else if (c is '%' or < ' ' or '\u007f')
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%{(int)c:X2}");
            }
            else
            {
                encoded.Append(c);
            }
        }

        return encoded.ToString();
    }
}
