using System.Text;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Webhooks;

/// <summary>Whether somebody says a word: as a word of its own, and not in what he quotes, shows as code or hides in a comment.</summary>
internal static class Mentions
{
    public static bool AnyOf(IReadOnlyList<string> words, string text)
    {
        var said = Said(PayloadText.Clean(text));
        return words.Any(word => Says(said, word));
    }

    /// <summary>The text without quoted lines and blocks of code.</summary>
    private static string Said(string text)
    {
        var said = new StringBuilder(text.Length);
        var code = false;
        foreach (var line in text.Split('\n'))
        {
            var start = line.TrimStart();
            if (start.StartsWith("```", StringComparison.Ordinal) || start.StartsWith("~~~", StringComparison.Ordinal))
            {
                code = !code;
            }
            else if (!code && !start.StartsWith('>') && !start.StartsWith("&gt;", StringComparison.Ordinal))
            {
                said.Append(line).Append('\n');
            }
        }

        return said.ToString();
    }

    private static bool Says(string text, string word)
    {
        for (var at = 0; (at = text.IndexOf(word, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            var (before, after) = (at == 0 ? ' ' : text[at - 1], at + word.Length == text.Length ? ' ' : text[at + word.Length]);
            if (!IsOfWord(before) && !IsOfWord(after) && after != '-')
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsOfWord(char character) => char.IsLetterOrDigit(character) || character == '_';
}
