using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace OzFunctions.Requests;

/// <summary>Looks at bytes from outside before anything walks them as JSON.</summary>
public static class JsonText
{
    /// <summary>Why the bytes are no JSON text that can be walked without surprise; null when they are.</summary>
    /// <param name="what">How the document is called in the sentence.</param>
    /// <param name="example">Said behind "is empty".</param>
    public static string? FindFault(ReadOnlySpan<byte> utf8, string what, int deepest, string example = "")
    {
        if (utf8.IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            return $"the {what} is empty{example}";
        }

        if (!Utf8.IsValid(utf8))
        {
            return $"the {what} is not UTF-8; encode the JSON as UTF-8";
        }

        try
        {
            var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
            while (reader.Read())
            {
                if (reader.CurrentDepth >= deepest)
                {
                    return $"the {what} is nested too deep: at most {deepest} levels are read";
                }

                if (reader.ValueIsEscaped)
                {
                    reader.GetString();
                }
            }

            return null;
        }
        catch (JsonException ex)
        {
            return string.Create(CultureInfo.InvariantCulture, $"the {what} is not JSON: line {ex.LineNumber + 1}, position {ex.BytePositionInLine + 1}");
        }
        catch (InvalidOperationException)
        {
            return $"the {what} holds half a surrogate pair (\\ud800 to \\udfff alone), which is no text";
        }
    }
}
