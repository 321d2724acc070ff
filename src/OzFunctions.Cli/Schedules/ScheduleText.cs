using System.Globalization;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Schedules;

/// <summary>Schedules as people and programs see them.</summary>
internal static class ScheduleText
{
    public static string Word(ScheduleState state) => state == ScheduleState.NotConfigured ? "not in this configuration" : Word<ScheduleState>(state);

    public static void WriteList(CommandContext context, IReadOnlyList<ScheduleView> schedules)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("schedules");
                foreach (var view in schedules)
                {
                    WriteJson(json, view);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        var table = new Table("NAME", "STATE", "CRON", "ZONE", "NEXT", "LAST RUN", "NOTE");
        foreach (var (schedule, state) in schedules)
        {
            var last = schedule.LastRun is { } run ? $"{PlainText.Relative(run.At, context.Now)} {run.RunId}" : "";
            table.Add(
                schedule.Name,
                new(Word(state), state == ScheduleState.Active ? Style.Good : Style.Warning),
                schedule.Definition.Cron,
                schedule.Definition.TimeZone,
                schedule.FindNext() is { } next ? PlainText.Time(next, context.Now) : "",
                last,
                PlainText.OneLine(Note(schedule) ?? ""));
        }

        if (table.IsEmpty)
        {
            context.Screen.Note($"No schedules. Make one: {context.Ozf("schedules create NAME --cron '0 6 * * 1-5' -p TEXT")}");
            return;
        }

        table.Write(context.Screen);
    }

    public static void Write(CommandContext context, ScheduleView view)
    {
        var (schedule, state) = view;
        var (screen, definition) = (context.Screen, schedule.Definition);
        if (screen.Json)
        {
            screen.WriteIndented(json => WriteJson(json, view));
            return;
        }

        screen.Line($"Schedule   {screen.Paint(schedule.Name, Style.Strong)}{(definition.Title is { } title ? " " + PlainText.OneLine(title) : "")}");
        screen.Line($"State      {Word(state)}{(schedule.Source == ScheduleSource.File ? ", from the configuration" : "")}");
        screen.Line($"Cron       {definition.Cron} ({definition.TimeZone})");
        screen.Line($"Overlap    {Word(definition.Overlap)}");
        screen.Line($"Missed     {Word(definition.Missed)}, within {DurationText.Format(definition.MissedWindow)}");
        screen.Line($"Next       {(schedule.FindNext() is { } next ? PlainText.Time(next, context.Now) : "-")}");
        if (schedule.LastRun is { } last)
        {
            screen.Line($"Last run   {last.RunId}, {PlainText.Time(last.At, context.Now)}{(last.Instant is { } instant ? $", due {TimeText.Format(instant)}" : ", asked for")}");
        }

        if (schedule.LastSkipped is { } skipped)
        {
            screen.Line($"Left out   {skipped.Count.ToString(CultureInfo.InvariantCulture)}, the latest due {TimeText.Format(skipped.Instant)}: {PlainText.OneLine(skipped.Reason)}");
        }

        if (schedule.LastError is { } error)
        {
            screen.Line($"Error      {screen.Paint(PlainText.OneLine(error.Message), Style.Bad)} ({PlainText.Time(error.At, context.Now)})");
        }

        screen.Line($"Request    {PlainText.OneLine(JsonSerializer.Serialize(definition.Request, RunJson.Wire.RunRequest))}");
    }

    /// <summary>After a change: a sentence and when it starts next, or the schedule for programs.</summary>
    public static void Tell(CommandContext context, ScheduleView view, string done)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteIndented(json => WriteJson(json, view));
            return;
        }

        var next = view.Schedule.FindNext() is { } time ? $"; next run {PlainText.Time(time, context.Now)}" : "";
        context.Screen.Line($"{done}{next}.");
    }

    public static void WriteTimes(CommandContext context, IEnumerable<DateTimeOffset> times, string zone)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("time_zone", zone);
                json.WriteStartArray("next");
                foreach (var time in times)
                {
                    json.WriteStringValue(TimeText.Format(time));
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        var place = TimeZoneInfo.FindSystemTimeZoneById(zone);
        foreach (var time in times)
        {
            var local = TimeZoneInfo.ConvertTime(time, place);
            context.Screen.Line($"{TimeText.Format(time)}  {local.ToString("ddd yyyy-MM-dd HH:mm zzz", CultureInfo.InvariantCulture)}");
        }
    }

    private static void WriteJson(Utf8JsonWriter json, ScheduleView view)
    {
        var (schedule, state) = view;
        json.WriteStartObject();
        foreach (var property in JsonSerializer.SerializeToElement(schedule, ScheduleJson.Wire.ScheduleRecord).EnumerateObject())
        {
            property.WriteTo(json);
        }

        json.WriteString("state", Word(state));
        if (schedule.FindNext() is { } next)
        {
            json.WriteString("next_run", TimeText.Format(next));
        }

        json.WriteEndObject();
    }

    private static string? Note(ScheduleRecord schedule) =>
        schedule.LastError?.Message ?? (schedule.LastSkipped is { } skipped && !(schedule.LastRun?.At > skipped.At) ? skipped.Reason : null);

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
