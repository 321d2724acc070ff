using System.Text.Json;

namespace OzFunctions.FakeAgent;

/// <summary>The file of <c>--file</c> (facts A2.5): JSON in full, YAML by its top-level keys.</summary>
internal static class ConfigFile
{
    private static readonly string[] Keys = ["name", "environment_id", "runner_id", "model_id", "base_prompt", "mcp_servers", "host", "computer_use_enabled"];

    public static void Check(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw new AgentException($"Failed to read agent config file '{path}'\n=> {ex.Message}");
        }

        foreach (var key in text.TrimStart().StartsWith('{') ? JsonKeys(path, text) : YamlKeys(text))
        {
            if (!Keys.Contains(key))
            {
                throw new AgentException($"Failed to parse agent config file '{path}'\n=> unknown field `{key}`, expected one of `{string.Join("`, `", Keys)}`");
            }
        }
    }

    private static List<string> JsonKeys(string path, string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return [.. document.RootElement.EnumerateObject().Select(property => property.Name)];
        }
        catch (JsonException ex)
        {
            throw new AgentException($"Failed to parse agent config file '{path}'\n=> {ex.Message}");
        }
    }

    private static IEnumerable<string> YamlKeys(string text) => text.Split('\n')
        .Where(line => line.Length > 0 && (char.IsAsciiLetter(line[0]) || line[0] == '_') && line.Contains(':', StringComparison.Ordinal))
        .Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)].Trim());
}
