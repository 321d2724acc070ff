using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OzFunctions.Direct.Attempts;

/// <summary>What was started for whom, as one line of JSON: argv masked, names of variables and no values.</summary>
internal static class AuditLine
{
    private const int LongestArgument = 1_000;

    public static string Render(AttemptScope scope, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string? agentVersion)
    {
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            var record = scope.Record;
            json.WriteStartObject();
            json.WriteString("run_id", record.RunId.Value);
            json.WriteNumber("attempt", record.Attempt);
            json.WriteString("trigger", JsonNamingPolicy.SnakeCaseLower.ConvertName(record.Trigger.Kind.ToString()));
            WriteOptional(json, "trigger_name", record.Trigger.Name);
            WriteOptional(json, "asked_by", record.AskedBy);
            json.WriteString("host", record.CurrentAttempt?.Host ?? Environment.MachineName);
            json.WriteString("user", Environment.UserName);
            json.WriteString("directory", scope.Workspace.Path);
            WriteOptional(json, "agent_version", agentVersion);
            json.WriteStartArray("argv");
            foreach (var argument in arguments)
            {
                var masked = scope.Masks.Mask(argument);
                json.WriteStringValue(masked.Length > LongestArgument ? masked[..LongestArgument] + "…" : masked);
            }

            json.WriteEndArray();
            json.WriteStartArray("env");
            foreach (var variable in environment)
            {
                json.WriteStringValue(variable.Split('=', 2)[0]);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
