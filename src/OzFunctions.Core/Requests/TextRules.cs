using System.Text;

namespace OzFunctions.Requests;

/// <summary>Rules for texts that many fields share.</summary>
internal static class TextRules
{
    /// <summary>Null is fine; otherwise 1 to <paramref name="longest"/> characters, none of them a control character.</summary>
    public static void CheckLine(this FaultList faults, string path, string? text, int longest, bool mayBeEmpty = false, bool hidden = false)
    {
        if (text is null)
        {
            return;
        }

        if (text.Length == 0 && !mayBeEmpty)
        {
            faults.Add(path, text, "is empty; leave it out instead");
        }
        else if (FindControl(text) is { } control)
        {
            faults.Add(path, hidden ? null : text, $"must not hold control characters ({control}); write it on one line");
        }
        else if (IsLonger(text, longest))
        {
            faults.Add(path, hidden ? null : text, $"has {Count(text)} characters; at most {longest} are allowed");
        }
    }

    /// <summary>Null is fine; otherwise not blank and without NUL, which no argument of a program can hold. The value itself is not shown.</summary>
    public static void CheckText(this FaultList faults, string path, string? text)
    {
        if (text is null)
        {
            return;
        }

        if (string.IsNullOrWhiteSpace(text))
        {
            faults.Add(path, text, "is empty; say what the agent shall do, or leave it out");
        }
        else if (text.Contains('\0', StringComparison.Ordinal))
        {
            faults.Add(path, null, "must not hold a NUL character");
        }
    }

    public static string? FindControl(string text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c))
            {
                return c switch
                {
                    '\0' => "a NUL",
                    '\n' => "a newline",
                    '\r' => "a carriage return",
                    '\t' => "a tab",
                    _ => $"U+{(int)c:X4}",
                };
            }
        }

        return null;
    }

    public static bool IsLonger(string text, int longest) => text.Length > longest && Count(text) > longest;

    private static int Count(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }

    public static int Utf8Length(string? text) => text is null ? 0 : Encoding.UTF8.GetByteCount(text);
}
