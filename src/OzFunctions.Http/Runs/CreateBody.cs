using System.Buffers;
using System.Globalization;
using System.Text.Json;
using OzFunctions.Http.Problems;
using OzFunctions.Requests;

namespace OzFunctions.Http.Runs;

/// <summary>
/// The body of a create: the vendor's fields (facts D3) turned into those of a run request, ours beside them. Everything is then judged by the rules of every request;
/// a fault names the field as the caller wrote it.
/// </summary>
internal sealed class CreateBody
{
    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _json;
    private readonly List<RequestFault> _faults = [];
    private readonly List<RequestFault> _unsupported = [];
    private readonly List<string> _mcp = [];
    private readonly List<string> _mcpSources = [];

    /// <summary>Our field → the caller's path for it, where they differ.</summary>
    private readonly Dictionary<string, string> _sources = new(StringComparer.Ordinal);

    private CreateBody() => _json = new(_buffer, new() { SkipValidation = true });

    /// <summary>Throws a problem with every fault: 422 when a field asks for what is not done here, else 400.</summary>
    public static RunRequest Read(JsonElement body)
    {
        var reader = new CreateBody();
        using (reader._json)
        {
            return reader.ReadBody(body);
        }
    }

    private RunRequest ReadBody(JsonElement body)
    {
        if (body.TryGetProperty("specversion", out _))
        {
            return Check(RunRequestReader.Read(JsonSerializer.SerializeToUtf8Bytes(body)));
        }

        _json.WriteStartObject();
        var hasSkill = body.TryGetProperty("skill", out var skill) && skill.ValueKind != JsonValueKind.Null;
        foreach (var property in body.EnumerateObject())
        {
            ReadField(property, hasSkill);
        }

        if (_mcp.Count > 0)
        {
            _json.WriteStartArray("mcp");
            foreach (var server in _mcp)
            {
                _json.WriteStringValue(server);
            }

            _json.WriteEndArray();
        }

        _json.WriteEndObject();
        _json.Flush();
        return Check(RunRequestReader.Read(_buffer.WrittenMemory));
    }

    private RunRequest Check(CheckedRequest read)
    {
        var faults = _unsupported.Concat(_faults).Concat(read.Faults.Select(Translate)).ToList();
        return _unsupported.Count > 0 ? throw new ApiException(ApiError.OperationNotSupported, RequestProblem.Summary(faults)) { Faults = faults }
            : faults.Count > 0 ? throw ApiException.Invalid(faults)
            : read.Request!;
    }

    private RequestFault Translate(RequestFault fault)
    {
        if (fault.Path.StartsWith("mcp[", StringComparison.Ordinal) && fault.Path.IndexOf(']', StringComparison.Ordinal) is var end
            && int.TryParse(fault.Path.AsSpan(4, end - 4), NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < _mcpSources.Count)
        {
            // Inline JSON stands below its server's name, which the source has already.
            var rest = fault.Path[(end + 1)..];
            var name = _mcpSources[index][(_mcpSources[index].LastIndexOf('.') + 1)..];
            return fault with { Path = _mcpSources[index] + (rest.StartsWith("." + name, StringComparison.Ordinal) ? rest[(name.Length + 1)..] : rest) };
        }

        var first = fault.Path.Split('.', '[')[0];
        return _sources.TryGetValue(first, out var source) ? fault with { Path = source + fault.Path[first.Length..] } : fault;
    }

    private void ReadField(JsonProperty property, bool hasSkill)
    {
        var (name, value) = (property.Name, property.Value);
        switch (name)
        {
            case "config":
                ReadConfig(value, hasSkill);
                break;
            case "team":
                RequireFlag(name, value);
                break;
            case "interactive" when value.ValueKind is JsonValueKind.True:
                Unsupported(name, "true", "runs here are not interactive; leave it out");
                break;
            case "interactive":
                RequireFlag(name, value);
                break;
            case "attachments" or "images":
                if (value.ValueKind != JsonValueKind.Null && !(value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0))
                {
                    Unsupported(name, null, "files cannot be attached; put them into the repository, or let the setup command fetch them");
                }

                break;
            case "parent_run_id" or "agent_identity_uid":
                if (value.ValueKind != JsonValueKind.Null)
                {
                    Unsupported(name, Show(value), name == "parent_run_id" ? "runs here have no parents; put the id into metadata" : "there are no agent identities here; leave it out");
                }

                break;
            case "conversation_id":
                Copy("conversation", name, value);
                break;
            case "mcp":
                ReadMcp(value);
                break;
            default:
                Copy(name, name, value);
                break;
        }
    }

    private void ReadConfig(JsonElement config, bool hasSkill)
    {
        if (config.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        if (config.ValueKind != JsonValueKind.Object)
        {
            _faults.Add(new("config", null, "must be an object"));
            return;
        }

        foreach (var property in config.EnumerateObject())
        {
            ReadConfigField(property.Name, property.Value, hasSkill);
        }
    }

    private void ReadConfigField(string name, JsonElement value, bool hasSkill)
    {
        var path = "config." + name;
        if (value.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        switch (name)
        {
            case "name" or "base_prompt":
                Copy(name, path, value);
                break;
            case "model_id":
                Copy("model", path, value);
                break;
            case "environment_id":
                Copy("environment", path, value);
                break;
            case "profile_id":
                Copy("profile", path, value);
                break;
            case "computer_use_enabled":
                Copy("computer_use", path, value);
                break;
            case "skill_spec" when !hasSkill:
                Copy("skill", path, value);
                break;
            case "skill_spec":
                // The request's own skill wins (facts D3.2).
                break;
            case "worker_host" when value.ValueKind == JsonValueKind.String && value.GetString() is "" or "warp":
                // The vendor's own hosts: here, the default worker.
                break;
            case "worker_host":
                Copy("worker_id", path, value);
                break;
            case "idle_timeout_minutes":
                ReadIdle(path, value);
                break;
            case "mcp_servers":
                ReadServers(path, value);
                break;
            case "harness":
                ReadHarness(path, value);
                break;
            case "session_sharing":
                ReadSharing(path, value);
                break;
            case "harness_auth_secrets":
                Unsupported(path, null, "the agent's credentials come from the worker's configuration (backend.direct.agent_environment); leave it out");
                break;
            case "runner_id" or "inference_providers" or "snapshot_disabled" or "snapshot_upload_timeout_secs" or "snapshot_script_timeout_secs":
                Unsupported(path, null, "is a setting of the vendor's own hosts; leave it out");
                break;
            default:
                _faults.Add(new(path, null, "is not a field of config" + Suggestion(name)));
                break;
        }
    }

    private static string Suggestion(string name) => name switch
    {
        "model" => "; did you mean 'model_id'?",
        "environment" => "; did you mean 'environment_id'?",
        "skill" => "; did you mean 'skill_spec'?",
        "worker_id" => "; did you mean 'worker_host'?",
        "prompt" or "title" or "timeout" or "priority" or "metadata" => "; it stands beside config, not in it",
        _ => "",
    };

    private void ReadIdle(string path, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var minutes) && minutes is >= 0 and <= 60)
        {
            _sources["idle_on_complete"] = path;
            _json.WriteString("idle_on_complete", string.Create(CultureInfo.InvariantCulture, $"{minutes}m"));
        }
        else
        {
            _faults.Add(new(path, Show(value), "must be a whole number of minutes from 0 to 60"));
        }
    }

    private void ReadHarness(string path, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            _faults.Add(new(path, Show(value), "must be an object such as {\"type\":\"claude\"}"));
            return;
        }

        foreach (var property in value.EnumerateObject())
        {
            if (property.Name == "type")
            {
                Copy("harness", path + ".type", property.Value);
            }
            else
            {
                Unsupported($"{path}.{property.Name}", null, "only the type of a harness can be chosen; leave it out");
            }
        }
    }

    private void ReadSharing(string path, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            _faults.Add(new(path, Show(value), "must be an object such as {\"public_access\":\"view\"}"));
            return;
        }

        foreach (var property in value.EnumerateObject())
        {
            var level = property.Value.ValueKind switch
            {
                JsonValueKind.True => "view",
                JsonValueKind.False or JsonValueKind.Null => "none",
                JsonValueKind.String => property.Value.GetString()!.ToLowerInvariant(),
                _ => "",
            };
            if (property.Name != "public_access")
            {
                Unsupported($"{path}.{property.Name}", null, "only public_access can be set; 'share' takes teams and addresses");
            }
            else if (level is "view" or "viewer" or "edit" or "editor")
            {
                _sources["share"] = path + ".public_access";
                _json.WriteStartArray("share");
                _json.WriteStringValue(level.StartsWith("view", StringComparison.Ordinal) ? "public:view" : "public:edit");
                _json.WriteEndArray();
            }
            else if (level is not ("none" or ""))
            {
                _faults.Add(new(path + ".public_access", Show(property.Value), "must be none, view or edit"));
            }
            else if (level.Length == 0)
            {
                _faults.Add(new(path + ".public_access", Show(property.Value), "must be none, view or edit"));
            }
        }
    }

    /// <summary>Ours: a list as in every request. Both forms may be mixed.</summary>
    private void ReadMcp(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(server => server.ValueKind != JsonValueKind.String))
        {
            _faults.Add(new("mcp", null, "must be a list of texts"));
            return;
        }

        foreach (var server in value.EnumerateArray())
        {
            _mcpSources.Add(string.Create(CultureInfo.InvariantCulture, $"mcp[{_mcp.Count}]"));
            _mcp.Add(server.GetString()!);
        }
    }

    private void ReadServers(string path, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            _faults.Add(new(path, null, "must be an object that names its servers"));
            return;
        }

        foreach (var server in value.EnumerateObject())
        {
            var place = $"{path}.{server.Name}";
            var kinds = server.Value.ValueKind == JsonValueKind.Object
                ? server.Value.EnumerateObject().Select(property => property.Name).Where(name => name is "warp_id" or "command" or "url").ToList()
                : [];
            if (kinds is not [var kind])
            {
                _faults.Add(new(place, null, "needs exactly one of warp_id, command and url"));
            }
            else if (kind == "warp_id")
            {
                var id = server.Value.GetProperty("warp_id");
                Add(place, id.ValueKind == JsonValueKind.String ? id.GetString()! : id.GetRawText());
            }
            else
            {
                Add(place, $"{{{JsonSerializer.Serialize(server.Name)}:{server.Value.GetRawText()}}}");
            }
        }

        void Add(string place, string server)
        {
            _mcpSources.Add(place);
            _mcp.Add(server);
        }
    }

    /// <summary>As the caller wrote it: what is wrong with the value, the request's own rules find.</summary>
    private void Copy(string field, string path, JsonElement value)
    {
        if (field != path)
        {
            _sources[field] = path;
        }

        _json.WritePropertyName(field);
        _json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
    }

    private void RequireFlag(string name, JsonElement value)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
        {
            _faults.Add(new(name, Show(value), "must be true or false"));
        }
    }

    private void Unsupported(string path, string? value, string rule) => _unsupported.Add(new(path, value, rule));

    private static string? Show(JsonElement value) => value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? null : FaultValue.Shorten(value.GetRawText());
}
