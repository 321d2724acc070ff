using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Runs;

/// <summary>A run's id for life: a UUID version 7 (RFC 9562), lower case with hyphens; its first 48 bits are the creation time in milliseconds.</summary>
[JsonConverter(typeof(RunIdConverter))]
public readonly record struct RunId
{
    private RunId(string value) => Value = value;

    public string Value { get; }

    /// <summary>Creation time in Unix milliseconds, taken from the id.</summary>
    public long Milliseconds => long.Parse(string.Concat(Value.AsSpan(0, 8), Value.AsSpan(9, 4)), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    public static RunId Create(TimeProvider time) => new(Guid.CreateVersion7(time.GetUtcNow()).ToString("D"));

    public static RunId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not a run id: a lower-case UUID version 7 is expected.");

    public static bool TryParse([NotNullWhen(true)] string? text, out RunId id)
    {
        if (text is { Length: 36 } && Guid.TryParseExact(text, "D", out var guid) && guid.Version == 7 && guid.ToString("D") == text)
        {
            id = new RunId(text);
            return true;
        }

        id = default;
        return false;
    }

    public override string ToString() => Value;
}

internal sealed class RunIdConverter : JsonConverter<RunId>
{
    public override RunId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        RunId.TryParse(reader.GetString(), out var id) ? id : throw new JsonException("not a run id");

    public override void Write(Utf8JsonWriter writer, RunId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
}
