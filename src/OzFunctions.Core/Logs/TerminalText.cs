using System.Text;

namespace OzFunctions.Logs;

/// <summary>Makes text of unknown origin safe to print on a terminal.</summary>
public static class TerminalText
{
    private const int TabWidth = 8;

    /// <summary>
    /// Line feeds stay, tabs become spaces; of escape sequences only colours and type faces (SGR) pass, and only with <paramref name="color"/>, without it they
    /// are taken out; every other control character is shown as <c>^X</c>.
    /// </summary>
    public static string Clean(string text, bool color)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f'))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length + 16);
        var lineStart = 0;
        var colored = false;
        for (var i = 0; i < text.Length; i++)
        {
            var length = LengthOfColor(text.AsSpan(i));
            if (length > 0)
            {
                if (color)
                {
                    clean.Append(text, i, length);
                    lineStart += length;
                    colored = true;
                }

                i += length - 1;
                continue;
            }

            switch (text[i])
            {
                case '\n':
                    clean.Append('\n');
                    lineStart = clean.Length;
                    break;
                case '\t':
                    clean.Append(' ', TabWidth - ((clean.Length - lineStart) % TabWidth));
                    break;
                case < ' ':
                    clean.Append('^').Append((char)(text[i] + '@'));
                    break;
                case '\x7f':
                    clean.Append("^?");
                    break;
                case > '\x7f' and <= '\x9f':
                    // As cat -v shows them: eight-bit forms of ESC and a letter.
                    clean.Append("M-^").Append((char)(text[i] - '\x80' + '@'));
                    break;
                default:
                    clean.Append(text[i]);
                    break;
            }
        }

        return colored ? clean.Append("\x1b[0m").ToString() : clean.ToString();
    }

    /// <summary>Length of the SGR sequence at the front; 0: none, or only half of one.</summary>
    private static int LengthOfColor(ReadOnlySpan<char> text)
    {
        if (text is not ['\x1b', '[', ..])
        {
            return 0;
        }

        var end = text[2..].IndexOfAnyExcept("0123456789;:");
        return end >= 0 && text[2 + end] == 'm' ? end + 3 : 0;
    }
}
