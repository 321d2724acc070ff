using System.Buffers;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Desks;

/// <summary>Schedules behind a front door elsewhere (<c>--server</c>).</summary>
internal sealed class RemoteScheduleDesk(RemoteCalls calls) : IScheduleDesk
{
    private const string All = "agent/schedules";

    public async Task<IReadOnlyList<ScheduleView>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await calls.GetAsync(All, cancellationToken)).GetProperty("schedules").EnumerateArray().Select(Read)];

    public async Task<ScheduleView> GetAsync(string name, CancellationToken cancellationToken) => Read(await SendAsync(HttpMethod.Get, name, "", null, cancellationToken));

    public async Task<ScheduleView> CreateAsync(string name, ScheduleDefinition definition, bool paused, CancellationToken cancellationToken) =>
        Read(await calls.PostAsync(All, Write(name, definition, !paused), cancellationToken));

    public async Task<ScheduleView> UpdateAsync(ScheduleRecord there, ScheduleDefinition definition, CancellationToken cancellationToken) =>
        Read(await SendAsync(HttpMethod.Put, there.Name, "", Write(there.Name, definition, !there.Paused), cancellationToken));

    public async Task<ScheduleView> SetPausedAsync(string name, bool paused, CancellationToken cancellationToken) =>
        Read(await SendAsync(HttpMethod.Post, name, paused ? "/pause" : "/resume", "{}"u8.ToArray(), cancellationToken));

    public async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        // Looked at first: a delete that is repeated because its answer was lost finds nothing, and that is well.
        await GetAsync(name, cancellationToken);
        await calls.SendAsync(HttpMethod.Delete, PathOf(name), null, cancellationToken);
    }

    public async Task<ScheduleStart> RunNowAsync(string name, string? key, CancellationToken cancellationToken)
    {
        // With a key of its own the call can be repeated when its answer is lost.
        var answer = await SendAsync(HttpMethod.Post, name, "/run", "{}"u8.ToArray(), cancellationToken, key ?? "ozf-" + Guid.NewGuid().ToString("N"));
        return new(RunId.Parse(answer.GetProperty("run_id").GetString()!), key is null || answer.GetProperty("created").GetBoolean());
    }

    public ValueTask DisposeAsync()
    {
        calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string name, string verb, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken, string? key = null) =>
        await calls.SendAsync(method, PathOf(name) + verb, body, cancellationToken, key) ?? throw ScheduleException.NotFound(name);

    private static string PathOf(string name) => $"{All}/{Uri.EscapeDataString(name)}";

    private static byte[] Write(string name, ScheduleDefinition definition, bool enabled)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteString("id", name);
            json.WriteString("name", definition.Title ?? name);
            json.WriteString("cron_schedule", definition.Cron);
            json.WriteString("time_zone", definition.TimeZone);
            json.WriteString("overlap", JsonNamingPolicy.SnakeCaseLower.ConvertName(definition.Overlap.ToString()));
            json.WriteString("missed", JsonNamingPolicy.SnakeCaseLower.ConvertName(definition.Missed.ToString()));
            json.WriteString("missed_window", DurationText.Format(definition.MissedWindow));
            json.WriteBoolean("enabled", enabled);
            json.WritePropertyName("request");
            JsonSerializer.Serialize(json, definition.Request, RunJson.Wire.RunRequest);
            json.WriteEndObject();
        }

        return body.WrittenMemory.ToArray();
    }

    private ScheduleView Read(JsonElement item)
    {
        try
        {
            var record = item.GetProperty("record");
            return record.GetProperty("schema").GetInt32() <= ScheduleRecord.CurrentSchema
                ? new(record.Deserialize(ScheduleJson.Wire.ScheduleRecord)!, item.GetProperty("state").Deserialize(ScheduleJson.Wire.ScheduleState))
                : throw CommandException.Unavailable($"{calls.Address} is of a newer version than this ozf: upgrade ozf.");
        }
        catch (Exception ex) when (ex is JsonException or KeyNotFoundException)
        {
            throw CommandException.Unavailable($"{calls.Address} answered something that is no schedule; is it an OzFunctions front door of this version?");
        }
    }
}
