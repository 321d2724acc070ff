using System.Buffers;
using System.Text;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Desks;

/// <summary>Schedules behind a front door elsewhere (<c>--server</c>).</summary>
internal sealed class RemoteScheduleDesk(RemoteCalls calls, Action<string> warn) : IScheduleDesk
{
    private const string All = "agent/schedules";

    public async Task<IReadOnlyList<ScheduleView>> ListAsync(CancellationToken cancellationToken)
    {
        var answer = await calls.GetAsync(All, cancellationToken);
        var unreadable = calls.Read<IReadOnlyList<string>>(answer, json =>
            json.TryGetProperty("unreadable", out var list) ? [.. list.EnumerateArray().Select(broken => broken.GetProperty("detail").GetString()!)] : []);
        foreach (var detail in unreadable)
        {
            warn(detail);
        }

        return calls.Read<IReadOnlyList<ScheduleView>>(answer, json => [.. json.GetProperty("schedules").EnumerateArray().Select(Read)]);
    }

    public async Task<ScheduleView> GetAsync(string name, CancellationToken cancellationToken) => Read(await SendAsync(HttpMethod.Get, name, "", null, cancellationToken));

    public async Task<ScheduleView> CreateAsync(string name, ScheduleDefinition definition, bool paused, CancellationToken cancellationToken) =>
        Read(await calls.PostAsync(All, Write(name, definition, !paused), cancellationToken));

    public async Task<ScheduleView> UpdateAsync(ScheduleRecord there, ScheduleDefinition definition, CancellationToken cancellationToken) =>
        Read(await SendAsync(HttpMethod.Put, there.Name, "", Write(there.Name, definition, enabled: null), cancellationToken));

    public async Task<ScheduleView> SetPausedAsync(string name, bool paused, CancellationToken cancellationToken) =>
        Read(await SendAsync(HttpMethod.Post, name, paused ? "/pause" : "/resume", "{}"u8.ToArray(), cancellationToken));

    public async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        // Looked at first: a delete that is repeated because its answer was lost finds nothing, and that is well.
        try
        {
            await GetAsync(name, cancellationToken);
        }
        catch (CommandException ex) when (ex.ExitCode == ExitCodes.Usage)
        {
            // It is there and cannot be shown; what else it may be, the next call tells too.
        }

        await calls.SendAsync(HttpMethod.Delete, PathOf(name), null, cancellationToken);
    }

    public async Task<ScheduleStart> RunNowAsync(string name, string? key, CancellationToken cancellationToken)
    {
        // With a key of its own the call can be repeated when its answer is lost.
        var body = Encoding.UTF8.GetBytes($"{{\"idempotency_key\":{JsonSerializer.Serialize(key ?? "ozf-" + Guid.NewGuid().ToString("N"), RunJson.Wire.String)}}}");
        return calls.Read(await SendAsync(HttpMethod.Post, name, "/run", body, cancellationToken), answer =>
            new ScheduleStart(RunId.Parse(answer.GetProperty("run_id").GetString()!), key is null || answer.GetProperty("created").GetBoolean()));
    }

    public ValueTask DisposeAsync()
    {
        calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string name, string verb, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken) =>
        await calls.SendAsync(method, PathOf(name) + verb, body, cancellationToken) ?? throw ScheduleException.NotFound(name);

    private static string PathOf(string name) => $"{All}/{Uri.EscapeDataString(name)}";

    /// <param name="enabled">Null: as it is there.</param>
    private static byte[] Write(string name, ScheduleDefinition definition, bool? enabled)
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
            if (enabled is { } flag)
            {
                json.WriteBoolean("enabled", flag);
            }
            else
            {
                json.WriteNull("enabled");
            }

            json.WritePropertyName("request");
            JsonSerializer.Serialize(json, definition.Request, RunJson.Wire.RunRequest);
            json.WriteEndObject();
        }

        return body.WrittenMemory.ToArray();
    }

    private ScheduleView Read(JsonElement item) => calls.Read(item, json => new ScheduleView(
        calls.ReadRecord(json.GetProperty("record"), ScheduleRecord.CurrentSchema, ScheduleJson.Wire.ScheduleRecord),
        json.GetProperty("state").Deserialize(ScheduleJson.Wire.ScheduleState)));
}
