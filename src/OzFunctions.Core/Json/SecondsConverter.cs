using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Json;

/// <summary>Durations as a number of seconds with at most milliseconds.</summary>
public sealed class SecondsConverter : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Math.Abs(reader.GetDouble()) is var seconds && seconds < TimeSpan.MaxValue.TotalSeconds / 2
            ? TimeSpan.FromSeconds(reader.GetDouble())
            : throw new JsonException("too many seconds");

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(decimal.Round((decimal)value.TotalSeconds, 3));
}
