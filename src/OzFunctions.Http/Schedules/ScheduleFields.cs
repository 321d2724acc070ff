using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Schedules;

namespace OzFunctions.Http.Schedules;

/// <summary>The fields of a body that are the schedule's own.</summary>
internal sealed class ScheduleFields(List<RequestFault> faults)
{
    private static readonly string[] Texts = ["id", "name", "cron_schedule", "time_zone", "overlap", "missed", "missed_window"];
    private static readonly string[] Flags = ["enabled", "team"];

    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);

    /// <summary>False: it is none of these.</summary>
    public bool Take(JsonProperty property)
    {
        var isFlag = Flags.Contains(property.Name);
        if (!isFlag && !Texts.Contains(property.Name))
        {
            return false;
        }

        if (property.Value.ValueKind == JsonValueKind.Null)
        {
            if (property.Name == "enabled")
            {
                // Said, and no change of it.
                _values[property.Name] = property.Value;
            }

            return true;
        }

        if (isFlag ? property.Value.ValueKind is JsonValueKind.True or JsonValueKind.False : property.Value.ValueKind == JsonValueKind.String && property.Value.GetString()!.Length > 0)
        {
            _values[property.Name] = property.Value;
        }
        else
        {
            // There, and wrong: not missing besides.
            _values[property.Name] = default;
            faults.Add(new(property.Name, null, isFlag ? "must be true or false" : "must be a text that is not empty"));
        }

        return true;
    }

    public bool Has(string name) => _values.ContainsKey(name);

    public string? Text(string name) => _values.TryGetValue(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public bool? Flag(string name) => _values.TryGetValue(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;

    /// <summary>Words and durations that are none become faults; the rest is for the rules of every schedule.</summary>
    /// <param name="id">A name that only repeats it is no title.</param>
    public ScheduleDefinition Definition(string id, RunRequest request)
    {
        var window = ScheduleDefinition.DefaultMissedWindow;
        if (Text("missed_window") is { } text && !DurationText.TryParse(text, out window))
        {
            faults.Add(new("missed_window", FaultValue.Shorten(text), $"must be {DurationText.Rule}"));
        }

        return new()
        {
            Title = Text("name") is { } title && title != id ? title : null,
            Cron = Text("cron_schedule")!,
            TimeZone = Text("time_zone") ?? "UTC",
            Overlap = Word("overlap", ScheduleOverlap.Skip),
            Missed = Word("missed", MissedRuns.One),
            MissedWindow = window,
            Request = request,
        };
    }

    private T Word<T>(string name, T otherwise)
        where T : struct, Enum
    {
        if (Text(name) is not { } text)
        {
            return otherwise;
        }

        foreach (var value in Enum.GetValues<T>())
        {
            if (value.ToString().ToLowerInvariant() == text)
            {
                return value;
            }
        }

        faults.Add(new(name, FaultValue.Shorten(text), $"must be one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}"));
        return otherwise;
    }
}
