using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace OzFunctions.Webhooks.Templates;

/// <summary>
/// Takes out of a payload's text what a reader of the original does not see and an agent would: HTML comments, and characters without a shape (zero width,
/// direction marks, tags, variation selectors). Who hides instructions there hides them from the people who might object.
/// </summary>
public static partial class PayloadText
{
    private const int MostRounds = 5;

    /// <summary>The text as people see it; lines end with a newline.</summary>
    public static string Clean(string text)
    {
        text = WithoutInvisible(text);

        // What is left around a comment may form another one, which people saw as plain text; a few rounds tidy that up without letting anyone keep us busy.
        for (var (round, before) = (0, -1); round < MostRounds && before != text.Length; round++)
        {
            before = text.Length;
            text = Comment().Replace(text, "");
        }

        return text;
    }

    /// <summary>The same on one line.</summary>
    public static string CleanLine(string text) => Blanks().Replace(Clean(text), " ").Trim();

    /// <summary>Cuts to a number of characters, never through one.</summary>
    public static string Cut(string text, int most, string mark)
    {
        if (text.Length <= most)
        {
            return text;
        }

        var kept = Math.Max(0, most - mark.Length);
        return text[..(kept > 0 && char.IsHighSurrogate(text[kept - 1]) ? kept - 1 : kept)] + mark;
    }

    private static string WithoutInvisible(string text)
    {
        StringBuilder? cleaned = null;
        var done = 0;
        for (var i = 0; i < text.Length;)
        {
            var known = Rune.TryGetRuneAt(text, i, out var rune);
            var length = known ? rune.Utf16SequenceLength : 1;
            if (!known || IsInvisible(rune) || IsLineEnd(rune))
            {
                cleaned ??= new(text.Length);
                cleaned.Append(text, done, i - done);
                if (known && IsLineEnd(rune) && !(rune.Value == '\r' && i + 1 < text.Length && text[i + 1] == '\n'))
                {
                    cleaned.Append('\n');
                }

                done = i + length;
            }

            i += length;
        }

        return cleaned is null ? text : cleaned.Append(text, done, text.Length - done).ToString();
    }

    /// <summary>Ends of lines other than the newline: they become one.</summary>
    private static bool IsLineEnd(Rune rune) => rune.Value is '\r' or 0x85 or 0x2028 or 0x2029;

    private static bool IsInvisible(Rune rune) => rune.Value is not ('\n' or '\t') && (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        || rune.Value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or 0x180B or 0x180C or 0x180D or 0x180F or 0x2065 or 0x3164 or 0xFFA0
            or (>= 0xFE00 and <= 0xFE0F) or (>= 0xE0000 and <= 0xE0FFF));

    // An unclosed comment hides everything after it.
    [GeneratedRegex("<!--(-?>|.*?(--!?>|\\z))", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
