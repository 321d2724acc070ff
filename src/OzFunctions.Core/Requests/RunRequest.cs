using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Json;

namespace OzFunctions.Requests;

/// <summary>
/// What a caller asks for, checked (<see cref="RunRequestReader"/> is the way in). Holds only what the caller gave; defaults apply where a value is used.
/// Its JSON is the request's own wire form, so a stored request can be sent again.
/// </summary>
public sealed record RunRequest
{
    public string? Prompt { get; init; }

    public string? SavedPrompt { get; init; }

    public string? Skill { get; init; }

    public string? Title { get; init; }

    public string? Name { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public string? IdempotencyKey { get; init; }

    public string? WorkerId { get; init; }

    /// <summary>Grammar of facts A3; the empty text or <c>self</c> shares with oneself.</summary>
    public IReadOnlyList<string>? Share { get; init; }

    public string? Model { get; init; }

    public string? Profile { get; init; }

    /// <summary>A server's id, a path or inline JSON each (facts A2.8); may hold <c>${secret:NAME}</c>.</summary>
    public IReadOnlyList<string>? Mcp { get; init; }

    public string? Environment { get; init; }

    public string? Conversation { get; init; }

    public string? Harness { get; init; }

    public bool? ComputerUse { get; init; }

    [JsonConverter(typeof(DurationTextConverter))]
    public TimeSpan? IdleOnComplete { get; init; }

    public string? BasePrompt { get; init; }

    public IReadOnlyDictionary<string, RunVariable>? Env { get; init; }

    /// <summary>Total time of the agent. Default 2 hours.</summary>
    [JsonConverter(typeof(DurationTextConverter))]
    public TimeSpan? Timeout { get; init; }

    /// <summary>Time without output after which the agent is stopped. Default: off.</summary>
    [JsonConverter(typeof(DurationTextConverter))]
    public TimeSpan? SilenceTimeout { get; init; }

    /// <summary>Time the setup command may take. Default 15 minutes.</summary>
    [JsonConverter(typeof(DurationTextConverter))]
    public TimeSpan? SetupTimeout { get; init; }

    [JsonConverter(typeof(UtcTimeConverter))]
    public DateTimeOffset? NotBefore { get; init; }

    [JsonConverter(typeof(UtcTimeConverter))]
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>−5 to 5; one step weighs ten minutes of waiting. Default 0.</summary>
    public int? Priority { get; init; }

    public string? ConcurrencyKey { get; init; }

    public ConflictRule? OnConflict { get; init; }

    /// <summary>How many times the agent may be started. Default 1: agent runs are not idempotent.</summary>
    public int? MaxAttempts { get; init; }

    /// <summary>Globs inside the workspace, beside <c>$OZ_ARTIFACTS_DIR</c>.</summary>
    public IReadOnlyList<string>? Artifacts { get; init; }

    /// <summary>Whether repository changes are kept as a patch. Default true.</summary>
    public bool? Changes { get; init; }
}

/// <summary>What happens to a run whose concurrency key is taken.</summary>
[JsonConverter(typeof(ConflictRuleConverter))]
public enum ConflictRule
{
    Queue,
    Skip,
    CancelPrevious,
}

internal sealed class ConflictRuleConverter() : JsonStringEnumConverter<ConflictRule>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>One entry of <c>env</c>: a plain value, or the name of a secret that the host resolves.</summary>
[JsonConverter(typeof(RunVariableConverter))]
public readonly record struct RunVariable
{
    private RunVariable(string? value, string? secret) => (Value, Secret) = (value, secret);

    public string? Value { get; }

    /// <summary>Name in the host's <c>secrets[]</c>; null for a plain value.</summary>
    public string? Secret { get; }

    public static RunVariable Plain(string value) => new(value, null);

    public static RunVariable FromSecret(string name) => new(null, name);
}

internal sealed class RunVariableConverter : JsonConverter<RunVariable>
{
    public override RunVariable Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return RunVariable.Plain(reader.GetString()!);
        }

        using var document = JsonDocument.ParseValue(ref reader);
        return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("secret", out var name) && name.ValueKind == JsonValueKind.String
            ? RunVariable.FromSecret(name.GetString()!)
            : throw new JsonException("""a text or {"secret":"NAME"} is expected""");
    }

    public override void Write(Utf8JsonWriter writer, RunVariable value, JsonSerializerOptions options)
    {
        if (value.Secret is null)
        {
            writer.WriteStringValue(value.Value);
            return;
        }

        writer.WriteStartObject();
        writer.WriteString("secret", value.Secret);
        writer.WriteEndObject();
    }
}
