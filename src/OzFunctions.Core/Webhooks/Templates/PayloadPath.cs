using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.Webhooks.Templates;

/// <summary>A place in a payload: names with dots, items of lists by number, <c>issue.labels[0].name</c>.</summary>
public sealed partial class PayloadPath
{
    public const string Rule = "must be a path such as issue.title or commits[0].message: letters, digits, '_' and '-', at most 20 steps";

    private const int MostSteps = 20;

    private readonly string _text;
    private readonly string[] _steps;

    private PayloadPath(string text, string[] steps) => (_text, _steps) = (text, steps);

    public static bool TryParse(string text, out PayloadPath path)
    {
        path = new("", []);
        if (!Grammar().IsMatch(text))
        {
            return false;
        }

        var steps = text.Replace("[", ".", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Split('.');
        path = new(text, steps);
        return steps.Length <= MostSteps;
    }

    public static PayloadPath Parse(string text) => TryParse(text, out var path) ? path : throw new FormatException($"'{text}' {Rule}.");

    /// <summary>What stands there; null for nothing, and for a JSON null.</summary>
    public JsonElement? Find(JsonElement payload)
    {
        foreach (var step in _steps)
        {
            switch (payload.ValueKind)
            {
                case JsonValueKind.Object when payload.TryGetProperty(step, out var member):
                    payload = member;
                    break;
                case JsonValueKind.Array when int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var item) && item < payload.GetArrayLength():
                    payload = payload[item];
                    break;
                default:
                    return null;
            }
        }

        return payload.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? null : payload;
    }

    /// <summary>The same as a text: a text as it is, numbers and flags as JSON writes them, lists and objects as JSON.</summary>
    public string? FindText(JsonElement payload) => Find(payload) is { } element ? TextOf(element) : null;

    public static string TextOf(JsonElement element) => element.ValueKind == JsonValueKind.String ? element.GetString()! : element.GetRawText();

    public override string ToString() => _text;

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}|\[[0-9]{1,4}\])*\z")]
    private static partial Regex Grammar();
}
