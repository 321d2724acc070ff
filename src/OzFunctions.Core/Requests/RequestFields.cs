using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Json;

namespace OzFunctions.Requests;

/// <summary>Reads the fields of one request object. What cannot be read is a fault and stays out of the request.</summary>
internal sealed partial class RequestFields(FaultList faults, string prefix)
{
    private static readonly string[] Known =
    [
        "prompt", "saved_prompt", "skill", "title", "name", "metadata", "idempotency_key", "worker_id", "share", "model", "profile", "mcp", "environment",
        "conversation", "harness", "computer_use", "idle_on_complete", "base_prompt", "env", "timeout", "silence_timeout", "setup_timeout", "not_before",
        "expires_at", "priority", "concurrency_key", "on_conflict", "max_attempts", "artifacts", "changes",
    ];

    private readonly HashSet<string> _broken = new(StringComparer.Ordinal);

    /// <summary>Known fields that were given and have a fault already.</summary>
    public IReadOnlySet<string> Broken => _broken;

    public RunRequest Read(JsonElement root)
    {
        var request = new RunRequest();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in root.EnumerateObject())
        {
            if (!seen.Add(property.Name))
            {
                faults.Add(prefix + property.Name, null, "is given twice; give it once");
            }
            else if (property.Value.ValueKind != JsonValueKind.Null)
            {
                request = Set(request, property.Name, property.Value);
            }
            else if (!Known.Contains(property.Name))
            {
                AddUnknown(property.Name, null);
            }
        }

        return request;
    }

    private RunRequest Set(RunRequest request, string name, JsonElement value)
    {
        switch (name)
        {
            case "prompt":
                return request with { Prompt = Text(name, value) };
            case "saved_prompt":
                return request with { SavedPrompt = Text(name, value) };
            case "skill":
                return request with { Skill = Text(name, value) };
            case "title":
                return request with { Title = Text(name, value) };
            case "name":
                return request with { Name = Text(name, value) };
            case "metadata":
                return request with { Metadata = Map(name, value, (path, item) => item.ValueKind == JsonValueKind.String ? item.GetString() : Wrong<string>(path, item, "must be a text")) };
            case "idempotency_key":
                return request with { IdempotencyKey = Text(name, value) };
            case "worker_id":
                return request with { WorkerId = Text(name, value) };
            case "share":
                return request with { Share = List(name, value) };
            case "model":
                return request with { Model = Text(name, value) };
            case "profile":
                return request with { Profile = Text(name, value) };
            case "mcp":
                return request with { Mcp = List(name, value) };
            case "environment":
                return request with { Environment = Text(name, value) };
            case "conversation":
                return request with { Conversation = Text(name, value) };
            case "harness":
                return request with { Harness = Text(name, value) };
            case "computer_use":
                return request with { ComputerUse = Flag(name, value) };
            case "idle_on_complete":
                return request with { IdleOnComplete = Duration(name, value) };
            case "base_prompt":
                return request with { BasePrompt = Text(name, value) };
            case "env":
                return request with { Env = Map(name, value, Variable) };
            case "timeout":
                return request with { Timeout = Duration(name, value) };
            case "silence_timeout":
                return request with { SilenceTimeout = Duration(name, value) };
            case "setup_timeout":
                return request with { SetupTimeout = Duration(name, value) };
            case "not_before":
                return request with { NotBefore = Time(name, value) };
            case "expires_at":
                return request with { ExpiresAt = Time(name, value) };
            case "priority":
                return request with { Priority = Number(name, value) };
            case "concurrency_key":
                return request with { ConcurrencyKey = Text(name, value) };
            case "on_conflict":
                return request with { OnConflict = Conflict(name, value) };
            case "max_attempts":
                return request with { MaxAttempts = Number(name, value) };
            case "artifacts":
                return request with { Artifacts = List(name, value) };
            case "changes":
                return request with { Changes = Flag(name, value) };
            default:
                AddUnknown(name, value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False || !SecretNames.LooksSecret(name) ? Show(value) : null);
                return request;
        }
    }

    private void AddUnknown(string name, string? value) =>
        faults.Add(prefix + name, value, "is not a field of a run request" + Suggestion.For(name, Known));

    private string? Text(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString() : Wrong<string>(name, value, "must be a text");

    private bool? Flag(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => Wrong<bool?>(name, value, "must be true or false, without quotes"),
    };

    private int? Number(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : Wrong<int?>(name, value, "must be a whole number, without quotes");

    private TimeSpan? Duration(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.String && DurationText.TryParse(value.GetString(), out var duration) ? duration : Wrong<TimeSpan?>(name, value, $"must be {DurationText.Rule}");

    private DateTimeOffset? Time(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.String && Rfc3339().IsMatch(value.GetString()!) && TimeText.TryParse(value.GetString(), out var time)
            ? time
            : Wrong<DateTimeOffset?>(name, value, "must be an RFC 3339 time with its offset, such as 2026-01-31T08:00:00Z");

    private ConflictRule? Conflict(string name, JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() switch
    {
        "queue" => ConflictRule.Queue,
        "skip" => ConflictRule.Skip,
        "cancel_previous" => ConflictRule.CancelPrevious,
        _ => Wrong<ConflictRule?>(name, value, "must be queue, skip or cancel_previous"),
    }
    : Wrong<ConflictRule?>(name, value, "must be queue, skip or cancel_previous");

    private List<string>? List(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            return Wrong<List<string>>(name, value, "must be a list of texts, as in [\"…\"]");
        }

        var list = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.String)
            {
                list.Add(item.GetString()!);
            }
            else
            {
                var rule = name == "mcp" && item.ValueKind == JsonValueKind.Object ? "must be a text; write the JSON object as a text" : "must be a text";
                Wrong<string>(string.Create(CultureInfo.InvariantCulture, $"{name}[{list.Count}]"), item, rule);
                list.Add(Placeholder(name));
            }
        }

        return list;
    }

    /// <summary>Keeps the places of later entries right; passes every rule, since its fault is there already.</summary>
    private static string Placeholder(string name) => name == "share" ? "self" : "x";

    private Dictionary<string, T>? Map<T>(string name, JsonElement value, Func<string, JsonElement, T?> read)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            return Wrong<Dictionary<string, T>>(name, value, "must be an object of names and values");
        }

        var map = new Dictionary<string, T>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
        {
            var path = $"{name}.{property.Name}";
            if (!seen.Add(property.Name))
            {
                faults.Add(prefix + path, null, "is given twice; give it once");
            }
            else if (read(path, property.Value) is { } item)
            {
                map[property.Name] = item;
            }
        }

        return map;
    }

    private RunVariable Variable(string path, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return RunVariable.Plain(value.GetString()!);
        }

        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("secret", out var secret) && secret.ValueKind == JsonValueKind.String && value.GetPropertyCount() == 1)
        {
            return RunVariable.FromSecret(secret.GetString()!);
        }

        faults.Add(prefix + path, null, $$"""must be a text or {"secret":"NAME"}{{(value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False ? "; put the value in quotes" : "")}}""");

        // A reference passes every later rule but the one about the variable's own name.
        return RunVariable.FromSecret("x");
    }

    private T? Wrong<T>(string name, JsonElement value, string rule)
    {
        _broken.Add(name);
        var hidden = name.StartsWith("mcp", StringComparison.Ordinal) || name.StartsWith("env", StringComparison.Ordinal) || SecretNames.LooksSecret(name.Split('.')[^1]);
        faults.Add(prefix + name, hidden || value.ValueKind == JsonValueKind.Null ? null : Show(value), rule);
        return default;
    }

    /// <summary>Lists and objects are not shown: what they hold is nobody's business here.</summary>
    private static string Show(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Object => "{…}",
        JsonValueKind.Array => "[…]",
        _ => value.GetRawText(),
    };

    [GeneratedRegex(@"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})\z")]
    private static partial Regex Rfc3339();
}
