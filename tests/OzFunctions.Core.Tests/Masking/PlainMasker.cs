using System.Text;

namespace OzFunctions.Core.Tests.Masking;

/// <summary>What a masker must do, done slowly and plainly: mark every byte of every occurrence, then write the rest.</summary>
internal static class PlainMasker
{
    public static string Mask(byte[] text, IReadOnlyCollection<byte[]> patterns)
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
}
