using System.Text;

namespace OzFunctions.Direct.Environments;

/// <summary>
/// What lines of an environment file that cannot be read may have been meant to say. Too much is guessed rather than too little: it is only masked, and only where the name
/// is one of a secret.
/// </summary>
internal static class EnvironmentGuess
{
    // A quote or a block that is never closed goes on to the end, and others may begin inside of it.
    private const int MostOpen = 8;
    private const int MostOfOne = 64 << 10;

    /// <summary>A name may come several times. A text of several lines is one value.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(IEnumerable<string> lines)
    {
        var open = new List<Several>();
        foreach (var line in lines)
        {
            foreach (var one in open.Where(one => one.Ends(line)).ToList())
            {
                open.Remove(one);
                yield return one.Pair;
            }

            if (Several.Find(line) is { } several && open.Count < MostOpen)
            {
                open.Add(several);
            }

            foreach (var separator in (char[])['=', ':', ' '])
            {
                foreach (var pair in Split(line.Trim(), separator))
                {
                    yield return pair;
                }
            }
        }

        foreach (var one in open)
        {
            yield return one.Pair;
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Split(string line, char separator)
    {
        if (separator == ' ' && line.StartsWith("export ", StringComparison.Ordinal))
        {
            line = line[7..].TrimStart();
        }

        if (line.IndexOf(separator, StringComparison.Ordinal) is > 0 and var at)
        {
            var (name, value) = (NameOf(line[..at]), line[(at + 1)..].Trim());
            yield return new(name, value.Trim('"', '\'', '`'));
            if (value.Length > 1 && value[0] is '"' or '\'' or '`' && value.IndexOf(value[0], 1) is > 0 and var end)
            {
                yield return new(name, value[1..end]);
            }

            if (value.IndexOf(" #", StringComparison.Ordinal) is >= 0 and var comment)
            {
                yield return new(name, value[..comment].Trim().Trim('"', '\'', '`'));
            }
        }
    }

    // With a - or . it is no name, and says as much.
    private static string NameOf(string text) => text.Trim().Split(' ')[^1].Replace('-', '_').Replace('.', '_');

    /// <summary>A quote or block that goes on behind its first line.</summary>
    private sealed class Several(string name, char? quote, string end)
    {
        private readonly StringBuilder _text = new();

        public KeyValuePair<string, string> Pair => new(name, _text.ToString());

        public static Several? Find(string line)
        {
            if (line.IndexOf("<<", StringComparison.Ordinal) is > 0 and var block)
            {
                return new Several(NameOf(line[..block]), quote: null, line[(block + 2)..].Trim());
            }

            if (line.AsSpan().IndexOfAny('=', ':') is > 0 and var at && line[(at + 1)..].TrimStart() is ['"' or '\'' or '`', ..] value && !value.AsSpan(1).Contains(value[0]))
            {
                var several = new Several(NameOf(line[..at]), value[0], end: "");
                several._text.Append(value.AsSpan(1));
                return several;
            }

            return null;
        }

        /// <summary>Takes one more line; true: it was the last one.</summary>
        public bool Ends(string line)
        {
            if (quote is null && line.Trim() == end)
            {
                return true;
            }

            var closing = quote is { } sign ? line.IndexOf(sign, StringComparison.Ordinal) : -1;
            _text.Append('\n').Append(closing < 0 ? line : line[..closing]);
            return closing >= 0 || _text.Length > MostOfOne;
        }
    }
}
