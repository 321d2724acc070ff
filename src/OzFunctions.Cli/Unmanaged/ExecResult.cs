using System.Text.Json;
using OzFunctions.Local;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>What a pipeline reads when <c>ozf exec</c> is over (<c>--result-file</c>).</summary>
internal static class ExecResult
{
    /// <param name="spooled">The record is not in the store yet.</param>
    public static void Write(string path, RunRecord run, int exitCode, bool spooled)
    {
        using var content = new MemoryStream();
        using (var json = new Utf8JsonWriter(content, new() { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("run_id", run.RunId.Value);
            json.WriteString("state", run.State.Text());
            if (run.Reason is { } reason)
            {
                json.WriteString("reason", reason.Text());
            }

            if (run.Message is { } message)
            {
                json.WriteString("message", message);
            }

            json.WriteNumber("exit_code", exitCode);
            json.WriteBoolean("spooled", spooled);
            WriteOptional(json, "oz_run_id", run.CurrentAttempt?.OzRunId);
            WriteOptional(json, "session_url", run.CurrentAttempt?.SessionUrl);
            var data = run.Event is { ValueKind: JsonValueKind.Object } stored && stored.TryGetProperty("data", out var found) ? found : default;
            WriteOptional(json, "log_url", data.ValueKind == JsonValueKind.Object && data.TryGetProperty("log", out var log) && log.TryGetProperty("url", out var url) ? url.GetString() : null);
            json.WritePropertyName("artifacts");
            if (data.ValueKind == JsonValueKind.Object && data.TryGetProperty("artifacts", out var artifacts))
            {
                artifacts.WriteTo(json);
            }
            else
            {
                json.WriteStartArray();
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        content.WriteByte((byte)'\n');
        DurableFiles.Replace(path, content.ToArray());
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
