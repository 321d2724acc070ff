using System.Text.Json;
using OzFunctions.Http.Runs;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Http.Schedules;

/// <summary>A schedule as the API shows it: the vendor's ScheduledAgentItem (facts E2), ours beside it.</summary>
internal static class ScheduleItemJson
{
    public static void Write(Utf8JsonWriter json, ScheduleRecord schedule, ScheduleState state)
    {
        var definition = schedule.Definition;
        json.WriteStartObject();
        json.WriteString("id", schedule.Name);
        json.WriteString("name", definition.Title ?? schedule.Name);
        json.WriteString("cron_schedule", definition.Cron);
        json.WriteBoolean("enabled", schedule.IsActive);
        json.WriteString("prompt", definition.Request.Prompt ?? "");
        AgentConfigJson.Write(json, definition.Request, definition.Request.WorkerId);
        json.WriteString("created_at", TimeText.Format(schedule.CreatedAt));
        json.WriteString("updated_at", TimeText.Format(schedule.UpdatedAt));
        WritePerson(json, "created_by", schedule.CreatedBy);
        WritePerson(json, "updated_by", schedule.UpdatedBy);
        json.WriteString("last_spawn_error", schedule.LastError?.Message);
        json.WriteStartObject("history");
        json.WriteString("last_ran", schedule.LastRun is { } last ? TimeText.Format(last.At) : null);
        json.WriteString("next_run", schedule.FindNext() is { } next ? TimeText.Format(next) : null);
        json.WriteEndObject();
        json.WriteStartObject("scope");
        json.WriteString("type", "Team");
        json.WriteEndObject();
        json.WriteString("source", schedule.Source == ScheduleSource.File ? "file" : "api");
        json.WriteString("time_zone", definition.TimeZone);
        json.WriteString("overlap", Word(definition.Overlap));
        json.WriteString("missed", Word(definition.Missed));
        json.WriteString("missed_window", DurationText.Format(definition.MissedWindow));
        json.WritePropertyName("request");
        JsonSerializer.Serialize(json, definition.Request, RunJson.Wire.RunRequest);
        WriteLast(json, schedule);
        json.WritePropertyName("state");
        JsonSerializer.Serialize(json, state, ScheduleJson.Wire.ScheduleState);

        // As it is stored: the vendor's fields above leave some of it out.
        json.WritePropertyName("record");
        JsonSerializer.Serialize(json, schedule, ScheduleJson.Wire.ScheduleRecord);
        json.WriteEndObject();
    }

    private static void WriteLast(Utf8JsonWriter json, ScheduleRecord schedule)
    {
        if (schedule.LastRun is { } run)
        {
            json.WriteString("last_run_id", run.RunId.Value);
        }

        if (schedule.LastSkipped is { } skipped)
        {
            json.WriteStartObject("last_skipped");
            json.WriteString("at", TimeText.Format(skipped.At));
            json.WriteString("instant", TimeText.Format(skipped.Instant));
            json.WriteNumber("count", skipped.Count);
            json.WriteString("reason", skipped.Reason);
            json.WriteEndObject();
        }
    }

    private static void WritePerson(Utf8JsonWriter json, string name, string? person)
    {
        if (person is not null)
        {
            json.WriteStartObject(name);
            json.WriteString("type", "service_account");
            json.WriteString("uid", person);
            json.WriteString("display_name", person);
            json.WriteEndObject();
        }
    }

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
