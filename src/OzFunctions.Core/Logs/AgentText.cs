using System.Globalization;
using System.Text.Json;

namespace OzFunctions.Logs;

/// <summary>One line of the agent's NDJSON (facts A5.3 to A5.8) in the text form that the agent itself has for it.</summary>
internal readonly record struct AgentText(string Text, bool IsDim)
{
    private const int LongestArgument = 200;

    /// <summary>False: not a line of that kind, to be shown as it is. Null: there is nothing to show.</summary>
    public static bool TryRead(string line, out AgentText? text)
    {
        text = null;
        if (!line.StartsWith('{'))
        {
            return false;
        }

        try
        {
            using var json = JsonDocument.Parse(line);
            if (Find(json.RootElement, "type") is not { } type || Render(type, json.RootElement) is not { } shown)
            {
                return false;
            }

            text = shown.Text.Length == 0 ? null : shown;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static AgentText? Render(string type, JsonElement line)
    {
        var text = type switch
        {
            "system" => System(line),
            "agent" => Find(line, "text"),
            "agent_reasoning" => Find(line, "text"),
            "update_todos" => Todos(line, "todo_list", "[ ]"),
            "complete_todos" => Todos(line, "completed_todos", "[x]"),
            "num_comments_addressed" => $"Comments addressed: {Find(line, "addressed_comments")}",
            "Subagent" => $"Subagent: {Find(line, "task_id")}",
            "SkillInvoked" => $"Skill: {Find(line, "name")}",
            "tool_call" => $"> {Find(line, "tool")}{Short(Argument(line))}",
            "tool_result" => $"< {Find(line, "tool")}{Short(Result(line))}",
            "tool_canceled" => $"< {Find(line, "tool")} was cancelled",
            "tool_error" => $"< {Find(line, "tool")} failed{Short(Find(line, "error"))}",
            "artifact_created" => Artifact(line),
            _ => null,
        };
        return text is null ? null : new AgentText(text.TrimEnd('\n'), type is "agent_reasoning" or "tool_result");
    }

    private static string? System(JsonElement line) => Find(line, "event_type") switch
    {
        "run_started" => Find(line, "run_url") is { } url ? $"Run ID: {Find(line, "run_id")}\nOpen in Oz: {url}" : $"Run ID: {Find(line, "run_id")}",
        "conversation_started" => $"New conversation started with debug ID: {Find(line, "conversation_id")}",
        "shared_session_established" => $"Sharing session at: {Find(line, "join_url")}",
        _ => null,
    };

    private static string? Artifact(JsonElement line) => Find(line, "artifact_type") switch
    {
        "pull_request" => $"Created PR: {Find(line, "url")} (branch: {Find(line, "branch")})",
        "screenshot" => $"Screenshot captured (artifact: {Find(line, "artifact_uid")})",
        "file" => $"File artifact uploaded: {Find(line, "filepath") ?? Find(line, "filename")} (artifact: {Find(line, "artifact_uid")})",
        "plan" => $"Created plan ({string.Join(", ", Named(line, ("title", "title"), ("id", "document_id"), ("notebook", "notebook_link")))})",
        _ => null,
    };

    private static IEnumerable<string> Named(JsonElement line, params (string Label, string Name)[] fields) =>
        fields.Where(field => Find(line, field.Name) is not null).Select(field => $"{field.Label}: {Find(line, field.Name)}");

    private static string? Todos(JsonElement line, string name, string box)
    {
        if (!line.TryGetProperty(name, out var todos) || todos.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        return string.Join('\n', todos.EnumerateArray().Select(todo => $"{box} {(todo.ValueKind == JsonValueKind.Object ? Find(todo, "title") : todo.ToString())}"));
    }

    /// <summary>What tells most about a call: what it runs, reads, writes or looks for.</summary>
    private static string? Argument(JsonElement line) => Find(line, "tool") switch
    {
        "run_command" => Find(line, "command"),
        "read_files" => List(line, "files"),
        "upload_artifact" => Find(line, "path"),
        "search_codebase" => Find(line, "query"),
        "edit_files" => Find(line, "title") ?? List(line, "file_paths"),
        "grep" => List(line, "queries"),
        "file_glob" => List(line, "patterns"),
        "read_mcp_resource" => Find(line, "name") ?? Find(line, "uri"),
        "call_mcp_tool" => Find(line, "name"),
        _ => null,
    };

    private static string? Result(JsonElement line) => Find(line, "status") switch
    {
        "complete" => $"exit {Find(line, "exit_code")}",
        { } status => status,
        null when line.TryGetProperty("files", out var files) && files.ValueKind == JsonValueKind.Array => string.Create(CultureInfo.InvariantCulture, $"{files.GetArrayLength()} files"),
        _ => null,
    };

    private static string? List(JsonElement line, string name) =>
        line.TryGetProperty(name, out var values) && values.ValueKind == JsonValueKind.Array
            ? string.Join(", ", values.EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Object ? Find(value, "path") ?? value.ToString() : value.ToString()))
            : Find(line, name);

    private static string Short(string? argument)
    {
        if (string.IsNullOrEmpty(argument))
        {
            return "";
        }

        var line = argument.ReplaceLineEndings(" ");
        return ": " + (line.Length <= LongestArgument ? line : line[..LongestArgument] + "…");
    }

    /// <summary>A field as text; null: absent.</summary>
    private static string? Find(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind is not JsonValueKind.Null ? value.ToString() : null;
}
