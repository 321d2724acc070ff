using System.Globalization;
using System.Text.RegularExpressions;

namespace OzFunctions.Configuration;

/// <summary>Bytes as people write them: <c>4096</c>, <c>64MiB</c>, <c>2GB</c>.</summary>
internal static partial class SizeText
{
    public const string Rule = "a number of bytes, or a size such as 512KiB, 64MiB, 2GiB";

    private static readonly (string Unit, long Bytes)[] Units =
        [("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10), ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1)];

    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        var match = Pattern().Match(text);
        if (!match.Success || !long.TryParse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        var unit = match.Groups[2].Value is { Length: > 0 } name ? Array.Find(Units, candidate => candidate.Unit.Equals(name, StringComparison.OrdinalIgnoreCase)).Bytes : 1;
        if (unit == 0 || number > long.MaxValue / unit)
        {
            return false;
        }

        bytes = number * unit;
        return true;
    }

    public static string Format(long bytes)
    {
        foreach (var (unit, size) in Units.Take(4))
        {
            if (bytes > 0 && bytes % size == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{bytes / size}{unit}");
            }
        }

        return bytes.ToString(CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\A([0-9]{1,18}) ?([A-Za-z]{0,3})\z")]
    private static partial Regex Pattern();
}
