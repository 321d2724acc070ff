using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;
using System.Xml;

namespace OzFunctions.AzureStorage;

/// <summary>
/// Bodies as message text: plain UTF-8 where the service's XML can carry it, else base64. Producers may send either: base64 that holds JSON is read as that JSON.
/// </summary>
public static class MessageText
{
    /// <summary>Of the text, as the service counts.</summary>
    public const int Largest = 64 << 10;

    public static string Write(ReadOnlySpan<byte> body)
    {
        if (Utf8.IsValid(body))
        {
            var text = Encoding.UTF8.GetString(body);
            if (IsPlain(text))
            {
                return text;
            }
        }

        return Convert.ToBase64String(body);
    }

    /// <summary>For JSON: what XML cannot carry is escaped as JSON does it, so that the text stays readable.</summary>
    public static string WriteJson(ReadOnlySpan<byte> json)
    {
        var text = Encoding.UTF8.GetString(json);
        if (IsPlain(text))
        {
            return text;
        }

        // Such characters stand in strings only.
        var escaped = new StringBuilder(text.Length + 64);
        foreach (var c in text)
        {
            _ = XmlConvert.IsXmlChar(c) || char.IsSurrogate(c) ? escaped.Append(c) : escaped.Append($"\\u{(int)c:x4}");
        }

        return escaped.ToString();
    }

    public static byte[] Read(string text)
    {
        var body = Encoding.UTF8.GetBytes(text);
        if (IsJson(body) || !Base64.IsValid(body))
        {
            return body;
        }

        var decoded = Convert.FromBase64String(text);
        return IsJson(decoded) ? decoded : body;
    }

    /// <summary>Looks like a document; what it is worth is for its reader to say.</summary>
    private static bool IsJson(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        return bytes.TrimStart(" \t\r\n"u8) is [(byte)'{' or (byte)'[' or (byte)'"', ..];
    }

    private static bool IsPlain(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (XmlConvert.IsXmlChar(text[i]))
            {
                // A reader of XML makes one newline of these.
                if (text[i] == '\r')
                {
                    return false;
                }
            }
            else if (i + 1 < text.Length && XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
            {
                i++;
            }
            else
            {
                return false;
            }
        }

        return true;
    }
}
