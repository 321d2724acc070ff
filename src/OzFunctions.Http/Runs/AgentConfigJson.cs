using System.Text.Json;
using OzFunctions.Requests;

namespace OzFunctions.Http.Runs;

/// <summary>
/// Most of a request in the vendor's words, <c>agent_config</c>: what <see cref="CreateBody"/> accepts, so that a client may read it, change a part and send all of it back.
/// What the vendor has no word for stands in <c>request</c> alone.
/// </summary>
internal static class AgentConfigJson
{
    /// <summary>Most minutes that a create accepts.</summary>
    private const int MostIdle = 60;

    public static void Write(Utf8JsonWriter json, RunRequest request, string? workerId)
    {
        json.WriteStartObject("agent_config");
        Optional("name", request.Name);
        Optional("model_id", request.Model);
        Optional("base_prompt", request.BasePrompt);
        Optional("environment_id", request.Environment);
        Optional("skill_spec", request.Skill);
        Optional("profile_id", request.Profile);
        WriteServers(json, request.Mcp ?? []);
        if (request.ComputerUse is { } computerUse)
        {
            json.WriteBoolean("computer_use_enabled", computerUse);
        }

        // Theirs are whole minutes: another time would be refused when it comes back.
        if (request.IdleOnComplete is { TotalMinutes: >= 0 and <= MostIdle } idle && idle.Ticks % TimeSpan.TicksPerMinute == 0)
        {
            json.WriteNumber("idle_timeout_minutes", (int)idle.TotalMinutes);
        }

        Optional("worker_host", workerId);
        if (request.Harness is { } harness)
        {
            json.WriteStartObject("harness");
            json.WriteString("type", harness);
            json.WriteEndObject();
        }

        if (FindPublicAccess(request) is { } access)
        {
            json.WriteStartObject("session_sharing");
            json.WriteString("public_access", access);
            json.WriteEndObject();
        }

        json.WriteEndObject();

        void Optional(string name, string? value)
        {
            if (value is not null)
            {
                json.WriteString(name, value);
            }
        }
    }

    /// <summary>Servers by name; the vendor's own are kept by their id alone, which stands for the name then. A path has no name there.</summary>
    private static void WriteServers(Utf8JsonWriter json, IReadOnlyList<string> servers)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var server in servers)
        {
            if (Guid.TryParseExact(server, "D", out _))
            {
                Begin(server);
                json.WriteStartObject();
                json.WriteString("warp_id", server);
                json.WriteEndObject();
            }
            else if (server.AsSpan().TrimStart() is ['{', ..])
            {
                using var document = JsonDocument.Parse(server);
                foreach (var property in document.RootElement.EnumerateObject().Where(property => IsServer(property.Value)))
                {
                    Begin(property.Name);
                    json.WriteRawValue(property.Value.GetRawText(), skipInputValidation: true);
                }
            }
        }

        if (names.Count > 0)
        {
            json.WriteEndObject();
        }

        void Begin(string name)
        {
            if (names.Count == 0)
            {
                json.WriteStartObject("mcp_servers");
            }

            var free = name;
            for (var n = 2; !names.Add(free); n++)
            {
                free = $"{name}-{n}";
            }

            json.WritePropertyName(free);
        }
    }

    private static bool IsServer(JsonElement server) =>
        server.ValueKind == JsonValueKind.Object && server.EnumerateObject().Count(property => property.Name is "command" or "url" or "warp_id") == 1;

    private static string? FindPublicAccess(RunRequest request) => request.Share?.Select(share => share switch
    {
        "public:edit" => "EDITOR",
        "public" or "public:view" => "VIEWER",
        _ => null,
    }).FirstOrDefault(access => access is not null);
}
