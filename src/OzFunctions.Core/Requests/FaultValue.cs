using System.Globalization;
using System.Text;

namespace OzFunctions.Requests;

/// <summary>Foreign text as a fault may show it: short, on one line, without control characters.</summary>
public static class FaultValue
{
    public static string Shorten(string text, int longest = 60)
    {
        var shown = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length >= longest)
            {
                return shown.Append('…').ToString();
            }

            if (Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 or 0xfeff or (>= 0x202a and <= 0x202e) or (>= 0x2066 and <= 0x2069))
            {
                shown.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
            else
            {
                shown.Append(rune.ToString());
            }
        }

        return shown.ToString();
    }
}
