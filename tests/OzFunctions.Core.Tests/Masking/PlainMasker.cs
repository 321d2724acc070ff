using System.Text;

namespace OzFunctions.Core.Tests.Masking;

/// <summary>What a masker must do, done slowly and plainly: mark every byte of every occurrence, then write the rest.</summary>
internal static class PlainMasker
{
    /// <param name="wrapped">Patterns behind whose fourth byte line breaks may stand.</param>
    public static string Mask(byte[] text, IReadOnlyCollection<byte[]> patterns, IReadOnlyCollection<byte[]>? wrapped = null)
    {
        var finds = new List<(int Start, int End)>();
        foreach (var pattern in patterns)
        {
            for (var at = 0; at + pattern.Length <= text.Length; at++)
            {
                if (text.AsSpan(at, pattern.Length).SequenceEqual(pattern))
                {
                    finds.Add((at, at + pattern.Length));
                }
            }
        }

        // A pattern with which a wrapped one begins counts as one itself.
        foreach (var pattern in (wrapped ?? []).Concat(patterns.Where(pattern => wrapped?.Any(longer => longer.AsSpan().StartsWith(pattern)) == true)))
        {
            for (var at = 0; at < text.Length; at++)
            {
                if (EndOf(text, at, pattern) is { } end)
                {
                    finds.Add((at, end));
                }
            }
        }

        var masked = new StringBuilder();
        var done = 0;
        finds.Sort();
        for (var i = 0; i < finds.Count;)
        {
            var (start, end) = finds[i++];
            while (i < finds.Count && finds[i].Start < end)
            {
                end = Math.Max(end, finds[i++].End);
            }

            masked.Append(Encoding.Latin1.GetString(text.AsSpan(done, start - done))).Append("***");
            done = end;
        }

        return masked.Append(Encoding.Latin1.GetString(text.AsSpan(done))).ToString();
    }

    private static int? EndOf(byte[] text, int at, byte[] pattern)
    {
        for (var matched = 0; matched < pattern.Length; matched++)
        {
            if (matched >= 4)
            {
                at = BehindBreaks(text, at);
            }

            if (at == text.Length || text[at++] != pattern[matched])
            {
                return null;
            }
        }

        return at;
    }

    private static int BehindBreaks(byte[] text, int at)
    {
        for (var first = at; at < text.Length && at - first < 32; at++)
        {
            var isBreak = text[at] is (byte)'\n' or (byte)'\r' or (byte)'\\'
                || (at > first && (text[at] is (byte)' ' or (byte)'\t' or (byte)'>' or (byte)'#' or (byte)'|' or (byte)'*'
                    || (text[at] is (byte)'+' or (byte)'-' && text[at - 1] != text[at])
                    || (text[at] is (byte)'n' or (byte)'r' && text[at - 1] == (byte)'\\')));
            if (!isBreak)
            {
                break;
            }
        }

        return at;
    }
}
