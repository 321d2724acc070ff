using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>Rules of <c>mcp[]</c>: an id, a path or inline JSON each (facts A2.8), whose secrets are references. Inline JSON is never shown.</summary>
internal static partial class McpRules
{
    public static void Check(IReadOnlyList<string>? servers, FaultList faults, string prefix)
    {
        if (servers is { Count: > 64 })
        {
            faults.Add(prefix + "mcp", $"{servers.Count} entries", "at most 64 entries are allowed");
        }

        for (var i = 0; i < servers?.Count; i++)
        {
            CheckServer(string.Create(CultureInfo.InvariantCulture, $"{prefix}mcp[{i}]"), servers[i], faults);
        }
    }

    private static void CheckServer(string path, string text, FaultList faults)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            faults.Add(path, null, "must not hold a NUL character");
        }
        else if (text.AsSpan().TrimStart() is ['{' or '[', ..])
        {
            CheckJson(path, text, faults);
        }
        else
        {
            faults.CheckLine(path, text, 4096);
        }
    }

    private static void CheckJson(string path, string text, FaultList faults)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 32 });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                CheckElement(path, null, document.RootElement, faults);
            }
            else
            {
                faults.Add(path, null, "inline JSON must be one object that names its servers");
            }
        }
        catch (JsonException ex)
        {
            faults.Add(path, null, $"is not JSON (line {ex.LineNumber + 1}, position {ex.BytePositionInLine + 1})");
        }
        catch (InvalidOperationException)
        {
            // A text with half a surrogate pair: valid JSON, no text.
            faults.Add(path, null, "holds half a surrogate pair, which is no text");
        }
    }

    /// <param name="name">The property's name; null for the root and inside lists.</param>
    private static void CheckElement(string path, string? name, JsonElement element, FaultList faults)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    CheckElement($"{path}.{property.Name}", property.Name, property.Value, faults);
                }

                break;
            case JsonValueKind.Array:
                var i = 0;
                foreach (var item in element.EnumerateArray())
                {
                    CheckElement(string.Create(CultureInfo.InvariantCulture, $"{path}[{i++}]"), name, item, faults);
                }

                break;
            case JsonValueKind.String:
                CheckString(path, name, element.GetString()!, faults);
                break;
            case JsonValueKind.Number when name is not null && SecretNames.LooksSecret(name):
                faults.Add(path, null, Literal);
                break;
        }
    }

    private const string Literal = "the name says that this is a secret: write ${secret:NAME} and define NAME in secrets[] of the configuration that the run is executed with; a literal is refused";

    private static void CheckString(string path, string? name, string value, FaultList faults)
    {
        if (SecretReferences.IsMalformed(value))
        {
            faults.Add(path, null, $"a reference to a secret is ${{secret:NAME}}; {SecretReferences.NameRule}");
        }
        else if (name is not null && SecretNames.LooksSecret(name) && SecretReferences.Find(value).Count == 0 && !Variable().IsMatch(value))
        {
            faults.Add(path, null, Literal);
        }
        else if (UserInAddress().IsMatch(value))
        {
            faults.Add(path, null, "an address must not hold a password; write ${secret:NAME} in its place");
        }
    }

    /// <summary><c>${NAME}</c> stands for the server's own environment: a reference, no secret. Before it may stand how it is meant, as in <c>Bearer ${NAME}</c>; no other word, which could be a secret.</summary>
    [GeneratedRegex(@"\A((?i:bearer|basic|token) )?\$\{[A-Za-z_][A-Za-z0-9_]*\}\z")]
    private static partial Regex Variable();

    [GeneratedRegex(@"\A[a-z][a-z0-9+.-]*://[^/@\s:]*:(?!\$\{)[^/@\s]+@", RegexOptions.IgnoreCase)]
    private static partial Regex UserInAddress();
}
