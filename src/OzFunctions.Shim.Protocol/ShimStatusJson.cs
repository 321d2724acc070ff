using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Shim.Protocol;

/// <summary>
/// <c>status.json</c>. Written by hand, because the serializer would cost the shim more than all the rest of its start; read by the serializer.
/// </summary>
public static class ShimStatusJson
{
    public static ShimStatus Read(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, ShimStatusContext.Default.ShimStatus) ?? throw new JsonException("The shim's status is null.");

    public static byte[] Write(ShimStatus status)
    {
        var text = new StringBuilder(512);
        text.Append(CultureInfo.InvariantCulture, $"{{\"version\":{status.Version},\"pid\":{status.Pid},\"start_ticks\":{status.StartTicks}");
        Text(text.Append(",\"boot_id\":"), status.BootId);
        text.Append(CultureInfo.InvariantCulture, $",\"tag\":{status.Tag},\"lease_over\":").Append(Bool(status.LeaseOver));
        if (status.Limits is { } limits)
        {
            text.Append(",\"limits\":{");
            var separator = "";
            foreach (var (name, mechanism) in limits)
            {
                Text(text.Append(separator), name);
                Text(text.Append(':'), mechanism);
                separator = ",";
            }

            text.Append('}');
        }

        if (status.Cgroup is { } cgroup)
        {
            Text(text.Append(",\"cgroup\":"), cgroup);
        }

        text.Append(",\"commands\":[");
        for (var i = 0; i < status.Commands.Count; i++)
        {
            Command(i == 0 ? text : text.Append(','), status.Commands[i]);
        }

        return Encoding.UTF8.GetBytes(text.Append("]}").ToString());
    }

    private static void Command(StringBuilder text, ShimCommandStatus command)
    {
        Text(text.Append("{\"phase\":"), command.Phase);
        text.Append(CultureInfo.InvariantCulture, $",\"pid\":{command.Pid},\"start_ticks\":{command.StartTicks}");
        Time(text.Append(",\"started_at\":"), command.StartedAt);
        text.Append(CultureInfo.InvariantCulture, $",\"spawn_error\":{command.SpawnError},\"ended\":").Append(Bool(command.Ended));
        if (command.EndedAt is { } ended)
        {
            Time(text.Append(",\"ended_at\":"), ended);
        }

        if (command.ExitCode is { } exitCode)
        {
            text.Append(CultureInfo.InvariantCulture, $",\"exit_code\":{exitCode}");
        }

        if (command.Signal is { } signal)
        {
            text.Append(CultureInfo.InvariantCulture, $",\"signal\":{signal}");
        }

        if (command.StoppedBy is { } cause)
        {
            Text(text.Append(",\"stopped_by\":"), Name(cause));
        }

        if (command.StopDetail is { } detail)
        {
            Text(text.Append(",\"stop_detail\":"), detail);
        }

        if (command.Limit is { } limit)
        {
            Text(text.Append(",\"limit\":"), limit);
        }

        if (command.RanSeconds is { } ran)
        {
            text.Append(CultureInfo.InvariantCulture, $",\"ran_seconds\":{ran:0.###}");
        }

        if (command.LeftAtDeadline)
        {
            text.Append(",\"left_at_deadline\":true");
        }

        text.Append(CultureInfo.InvariantCulture, $",\"peak_memory_bytes\":{command.PeakMemoryBytes},\"cpu_seconds\":{command.CpuSeconds:0.######},\"clean\":");
        text.Append(Bool(command.Clean)).Append(",\"left_over\":[").AppendJoin(',', command.LeftOver);
        text.Append(CultureInfo.InvariantCulture, $"],\"ended_descendants\":{command.EndedDescendants}}}");
    }

    /// <summary>A cause as the record of a run spells it.</summary>
    public static string Name(ShimStopCause cause) => cause switch
    {
        ShimStopCause.Cancel => "cancel",
        ShimStopCause.Timeout => "timeout",
        ShimStopCause.Silence => "silence",
        ShimStopCause.Finished => "finished",
        ShimStopCause.Limit => "limit",
        ShimStopCause.Shutdown => "shutdown",
        _ => "lease",
    };

    private static string Bool(bool value) => value ? "true" : "false";

    private static void Time(StringBuilder text, DateTimeOffset time) =>
        text.Append('"').Append(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)).Append('"');

    private static void Text(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var character in value)
        {
            if (character is '"' or '\\')
            {
                text.Append('\\').Append(character);
            }
            else if (character < ' ' || char.IsSurrogate(character))
            {
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            }
            else
            {
                text.Append(character);
            }
        }

        text.Append('"');
    }
}

/// <summary>Contract of <c>status.json</c> for readers.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ShimStatus))]
internal sealed partial class ShimStatusContext : JsonSerializerContext;
