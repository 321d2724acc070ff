using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Requests;

/// <summary>Durations as people write them: one or more of <c>d h m s ms</c>, largest first, as in <c>90s</c>, <c>45m</c>, <c>2h</c>, <c>1h30m</c>.</summary>
public static class DurationText
{
    /// <summary>The rule in words, for messages.</summary>
    public const string Rule = "a duration such as 90s, 45m, 2h or 1h30m";

    private static readonly (string Unit, long Milliseconds)[] Units =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (string.IsNullOrEmpty(text) || text.Length > 32)
        {
            return false;
        }

        long total = 0;
        var position = 0;
        var lastUnit = -1;
        while (position < text.Length)
        {
            var start = position;
            while (position < text.Length && char.IsAsciiDigit(text[position]))
            {
                position++;
            }

            if (position == start || !long.TryParse(text.AsSpan(start, position - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            start = position;
            while (position < text.Length && char.IsAsciiLetterLower(text[position]))
            {
                position++;
            }

            var name = text.AsSpan(start, position - start).ToString();
            var unit = Array.FindIndex(Units, candidate => candidate.Unit == name);
            if (unit <= lastUnit || number > TimeSpan.MaxValue.TotalMilliseconds / Units[unit].Milliseconds)
            {
                return false;
            }

            lastUnit = unit;
            total += number * Units[unit].Milliseconds;
            if (total is < 0 or > 3_650L * 86_400_000)
            {
                return false;
            }
        }

        duration = TimeSpan.FromMilliseconds(total);
        return true;
    }

    /// <summary>The shortest text that parses to the same duration.</summary>
    public static string Format(TimeSpan duration)
    {
        var rest = (long)duration.TotalMilliseconds;
        if (rest == 0)
        {
            return "0s";
        }

        var text = new System.Text.StringBuilder();
        foreach (var (unit, milliseconds) in Units)
        {
            var count = rest / milliseconds;
            rest %= milliseconds;
            if (count > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{count}{unit}");
            }
        }

        return text.ToString();
    }
}

/// <summary>Durations inside a run request, as text.</summary>
public sealed class DurationTextConverter : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        DurationText.TryParse(reader.GetString(), out var duration) ? duration : throw new JsonException($"not {DurationText.Rule}");

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
        writer.WriteStringValue(DurationText.Format(value));
}
