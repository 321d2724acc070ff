using System.Globalization;
using System.Text;

namespace OzFunctions.Masking;

/// <summary>The forms in which a value shows up in output: as it is, line by line, and as base64, URLs, JSON and shells write it.</summary>
internal static class SecretForms
{
    // A key file is looked for in some ten forms; a hundred of each would cost megabytes.
    private const int Long = 1_024;

    // Of the shortest secret, less its first line's end; four characters are in other texts too.
    private const int LeastRest = 5;

    // What is left as it is by RFC 3986, encodeURIComponent, Python, Java, PHP, .NET twice, Go in a path, encodeURI.
    private static readonly string[] UrlPlain = ["-_.~", "-_.!~*'()", "-_.~/", "-_.*", "-_.", "-_.!*()", "-_.~!$()*,;@", "-_.~$&+=:@", "-_.!~*'();/?:@&=+$,#"];

    /// <summary>All forms, some of them more than once.</summary>
    public static IEnumerable<string> Of(string value)
    {
        var texts = new List<string> { value };
        if (value.Trim() is var trimmed && trimmed != value)
        {
            texts.Add(trimmed);
        }

        if (value.AsSpan().ContainsAny('\r', '\n'))
        {
            texts.AddRange(value.Split('\n', StringSplitOptions.TrimEntries).Where(SecretSet.CanMask));
            texts.Add(trimmed.ReplaceLineEndings("\n"));
            texts.Add(trimmed.ReplaceLineEndings("\r\n"));
        }

        var forms = texts.SelectMany(text => Written(text)).Concat(Base64(value)).Concat(Base64(trimmed)).Concat(Base64(trimmed + "\n"));
        return forms.Where(form => form.Length >= SecretSet.LeastLength);
    }

    /// <summary>
    /// Base64 of a value wherever it stands in what was encoded: tools break that into lines (<c>base64(1)</c>, RFC 2045 section 6.8) at places that depend on
    /// what stands before. Where a break leaves less than a line's end is looked at for, the rest is a form by itself.
    /// </summary>
    public static IEnumerable<string> Wrapped(string value)
    {
        foreach (var text in new HashSet<string> { value, value.Trim() })
        {
            foreach (var form in Insides(Encoding.UTF8.GetBytes(text)).SelectMany(inside => text.Length > Long ? [inside] : (string[])[inside, UrlSafe(inside)]).Distinct())
            {
                for (var before = 0; before < PatternTree.LeastBeforeBreak && form.Length >= SecretSet.LeastLength && form.Length - before >= LeastRest; before++)
                {
                    yield return form[before..];
                }
            }
        }
    }

    /// <summary>A text, and as URLs, shells and JSON write it, JSON also around the others.</summary>
    private static IEnumerable<string> Written(string text)
    {
        if (text.Length > Long)
        {
            return
            [
                .. ((string[])[text, Url(text, "-_.~"), AnsiQuoted(text)]).SelectMany(form => (string[])[form, PlainJson(form)]),
                PlainJson(PlainJson(text)),
                SlashedJson(text),
                CautiousJson(text),
                BashQuoted(text),
            ];
        }

        return ((string[])[text, .. Urls(text), .. Shells(text)]).SelectMany(form => (string[])[form, .. Jsons(form)]);
    }

    private static IEnumerable<string> Base64(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        foreach (var form in Base64Of(bytes).Distinct())
        {
            yield return form;
            yield return Url(form, "-_.~");
            yield return Url(form, "-_.~").Replace("%2B", "%2b", StringComparison.Ordinal).Replace("%2F", "%2f", StringComparison.Ordinal).Replace("%3D", "%3d", StringComparison.Ordinal);
            foreach (var json in Jsons(form))
            {
                yield return json;
            }
        }
    }

    private static IEnumerable<string> Base64Of(byte[] bytes)
    {
        var whole = Convert.ToBase64String(bytes);
        yield return whole;
        yield return UrlSafe(whole);
        foreach (var width in (int[])[76, 64])
        {
            // Tools break it into lines.
            for (var at = 0; whole.Length > width && at < whole.Length; at += width)
            {
                yield return whole[at..Math.Min(at + width, whole.Length)];
            }
        }

        foreach (var inside in Insides(bytes))
        {
            yield return inside;
            yield return UrlSafe(inside);
        }
    }

    /// <summary>At the three offsets, without the characters at the edges: they hold bits of what stands around the value.</summary>
    private static IEnumerable<string> Insides(byte[] bytes)
    {
        for (var before = 0; before < 3; before++)
        {
            var first = ((before * 8) + 5) / 6;
            var end = (before + bytes.Length) * 8 / 6;
            if (end > first)
            {
                yield return Convert.ToBase64String([.. new byte[before], .. bytes])[first..end];
            }
        }
    }

    private static string UrlSafe(string base64) => base64.Replace('+', '-').Replace('/', '_').TrimEnd('=');

    /// <summary>Hex in both cases, spaces in both.</summary>
    private static IEnumerable<string> Urls(string text)
    {
        foreach (var plain in UrlPlain)
        {
            var encoded = Url(text, plain);
            yield return encoded;
            yield return Url(text, plain, "x2");
            yield return encoded.Replace("%20", "+", StringComparison.Ordinal);
            yield return Url(text, plain, "x2").Replace("%20", "+", StringComparison.Ordinal);
        }
    }

    private static string Url(string text, string plain, string hex = "X2")
    {
        var encoded = new StringBuilder(text.Length + 16);
        foreach (var value in Encoding.UTF8.GetBytes(text))
        {
            if (char.IsAsciiLetterOrDigit((char)value) || plain.Contains((char)value))
            {
                encoded.Append((char)value);
            }
            else
            {
                encoded.Append('%').Append(value.ToString(hex, CultureInfo.InvariantCulture));
            }
        }

        return encoded.ToString();
    }

    /// <summary>As little as must be, everything but ASCII, what HTML minds (Go, .NET), slashes (PHP); and a JSON text inside of JSON.</summary>
    private static IEnumerable<string> Jsons(string text)
    {
        yield return PlainJson(text);
        yield return Json(text, "\"\\", ascii: true);
        yield return SlashedJson(text);
        yield return Json(text, "\"\\/", ascii: true);
        yield return Json(text, "\"\\", ascii: false, "<>&");
        yield return CautiousJson(text);
        yield return PlainJson(PlainJson(text));
    }

    private static string PlainJson(string text) => Json(text, "\"\\", ascii: false);

    private static string SlashedJson(string text) => Json(text, "\"\\/", ascii: false);

    /// <summary>As .NET does unless told otherwise.</summary>
    private static string CautiousJson(string text) => Json(text, "\\", ascii: true, "<>&+'\"`", upper: true);

    private static string Json(string text, string slashed, bool ascii, string byNumber = "", bool upper = false)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (var character in text)
        {
            if (slashed.Contains(character))
            {
                escaped.Append('\\').Append(character);
            }
            else if (character is '\n' or '\r' or '\t' or '\b' or '\f')
            {
                escaped.Append('\\').Append(character switch { '\n' => 'n', '\r' => 'r', '\t' => 't', '\b' => 'b', _ => 'f' });
            }
            else if (character < ' ' || byNumber.Contains(character) || (ascii && character > '~'))
            {
                escaped.Append("\\u").Append(((int)character).ToString(upper ? "X4" : "x4", CultureInfo.InvariantCulture));
            }
            else
            {
                escaped.Append(character);
            }
        }

        return escaped.ToString();
    }

    /// <summary>Inside of single quotes in both spellings, of double quotes, of <c>$'…'</c>, and with a backslash before what a shell minds.</summary>
    private static IEnumerable<string> Shells(string text)
    {
        yield return text.Replace("'", @"'\''", StringComparison.Ordinal);
        yield return text.Replace("'", "'\"'\"'", StringComparison.Ordinal);
        yield return Backslashed(text, static character => "\\\"$`".Contains(character));
        yield return Backslashed(text, static character => "\\\"$`!".Contains(character));
        yield return BashQuoted(text);
        yield return Backslashed(text, static character => " \t!\"$&'()*;<>?[\\]^`{|}".Contains(character));
        yield return Backslashed(text, static character => " \t!\"#$&'()*;<=>?[\\]^`{|}~".Contains(character));
        yield return Backslashed(text, static character => char.IsAscii(character) && !char.IsAsciiLetterOrDigit(character) && character != '_');
        if (text[0] is '#' or '~')
        {
            yield return "\\" + BashQuoted(text);
        }

        yield return AnsiQuoted(text);
    }

    private static string BashQuoted(string text) => Backslashed(text, static character => " \t!\"$&'()*;<>?[\\]^`{|},".Contains(character));

    private static string AnsiQuoted(string text) => Json(text, "\\'", ascii: false);

    private static string Backslashed(string text, Func<char, bool> special)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (var character in text)
        {
            if (special(character))
            {
                escaped.Append('\\');
            }

            escaped.Append(character);
        }

        return escaped.ToString();
    }
}
