using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.Webhooks.Templates;

/// <summary>A text with places for the payload: <c>{{path}}</c> or <c>{{path|limit:4000}}</c>, and nothing more.</summary>
public sealed partial class TextTemplate
{
    /// <summary>Characters that one place takes when it does not say.</summary>
    public const int UsualLimit = 4_000;

    private const int HighestLimit = 100_000;
    private const string Rule = "must be {{path}} or {{path|limit:4000}}, such as {{issue.title|limit:200}}";

    private TextTemplate(string text, IReadOnlyList<Part> parts) => (Text, Parts) = (text, parts);

    /// <summary>As it was written.</summary>
    public string Text { get; }

    internal IReadOnlyList<Part> Parts { get; }

    public bool HasPlaces => Parts.Any(part => part.Path is not null);

    /// <summary>Whether a text would be read as a template.</summary>
    public static bool Is(string text) => text.Contains("{{", StringComparison.Ordinal);

    public static bool TryParse(string text, out TextTemplate template, out string fault)
    {
        var parts = new List<Part>();
        template = new(text, parts);
        fault = "";
        var at = 0;
        while (text.IndexOf("{{", at, StringComparison.Ordinal) is >= 0 and var open)
        {
            var close = text.IndexOf("}}", open, StringComparison.Ordinal);
            var inside = close < 0 ? "" : text[(open + 2)..close];
            if (Place().Match(inside) is not { Success: true } place)
            {
                fault = $"'{(close < 0 ? text[open..Math.Min(text.Length, open + 40)] : text[open..(close + 2)])}' {Rule}";
                return false;
            }

            if (!PayloadPath.TryParse(place.Groups["path"].Value, out var path))
            {
                fault = $"'{place.Groups["path"].Value}' {PayloadPath.Rule}";
                return false;
            }

            var limit = UsualLimit;
            if (place.Groups["limit"] is { Success: true } given
                && (!int.TryParse(given.Value, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > HighestLimit))
            {
                fault = $"limit:{given.Value} must be from 1 to {HighestLimit}";
                return false;
            }

            parts.Add(new(text[at..open], null, 0));
            parts.Add(new("", path, limit));
            at = close + 2;
        }

        parts.Add(new(text[at..], null, 0));
        return true;
    }

    /// <summary>Fills the places as <paramref name="place"/> says; a path that holds nothing is given as null.</summary>
    internal string Fill(JsonElement payload, Func<Part, JsonElement?, string> place) =>
        string.Concat(Parts.Select(part => part.Path is null ? part.Literal : place(part, part.Path.Find(payload))));

    [GeneratedRegex(@"\A\s*(?<path>[^\s|]+)\s*(\|\s*limit:(?<limit>[0-9]{1,9})\s*)?\z")]
    private static partial Regex Place();

    /// <summary>A literal, or a place.</summary>
    internal sealed record Part(string Literal, PayloadPath? Path, int Limit);
}
