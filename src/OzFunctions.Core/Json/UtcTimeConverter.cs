using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Json;

/// <summary>RFC 3339 in UTC with milliseconds and <c>Z</c>.</summary>
public sealed class UtcTimeConverter : JsonConverter<DateTimeOffset>
{
    public const string Format = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && TimeText.TryParse(reader.GetString(), out var time)
            ? time
            : throw new JsonException("not an RFC 3339 time");

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
        writer.WriteStringValue(TimeText.Format(value));
}

/// <summary>Times as text: RFC 3339, written in UTC with milliseconds.</summary>
public static class TimeText
{
    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString(UtcTimeConverter.Format, CultureInfo.InvariantCulture);

    /// <summary>Accepts RFC 3339 with any offset; a time without one is refused.</summary>
    public static bool TryParse(string? text, out DateTimeOffset time)
    {
        time = default;
        return text is { Length: >= 20 and <= 40 } && text[10] is 'T' or 't'
            && (text[^1] is 'Z' or 'z' || (text.Length > 6 && text[^3] == ':' && text[^6] is '+' or '-'))
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
    }
}
