using System.Globalization;
using System.Text;

namespace OzFunctions.FakeAgent;

/// <summary>One verb of the prompt with the text after it.</summary>
internal sealed record Step(string Verb, string Text)
{
    public IReadOnlyList<string> Words { get; } = Text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>
    /// The verbs of the last line that begins with <c>fake:</c>, since a base prompt stands before the prompt. <c>\;</c> is a semicolon in a text.
    /// </summary>
    public static IReadOnlyList<Step> Parse(string? prompt)
    {
        var line = prompt?.Split('\n').LastOrDefault(line => line.StartsWith("fake:", StringComparison.Ordinal));
        if (line is null)
        {
            return [];
        }

        var steps = new List<Step>();
        var text = new StringBuilder();
        for (var i = "fake:".Length; i <= line.Length; i++)
        {
            if (i == line.Length || line[i] == ';')
            {
                Add(text.ToString().Trim());
                text.Clear();
            }
            else if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] == ';')
            {
                text.Append(line[++i]);
            }
            else
            {
                text.Append(line[i]);
            }
        }

        return steps;

        void Add(string step)
        {
            if (step.Length > 0)
            {
                var space = step.IndexOf(' ', StringComparison.Ordinal);
                steps.Add(space < 0 ? new Step(step, "") : new Step(step[..space], step[(space + 1)..].Trim()));
            }
        }
    }

    public long Number(int word, long otherwise) =>
        word >= Words.Count ? otherwise
        : long.TryParse(Words[word], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw new AgentException($"fake-oz: '{Verb} {Text}' needs a number at word {word + 1}", 91);

    public TimeSpan? Seconds(int word) =>
        word >= Words.Count ? null
        : double.TryParse(Words[word], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? TimeSpan.FromSeconds(number)
        : throw new AgentException($"fake-oz: '{Verb} {Text}' needs seconds at word {word + 1}", 91);

    /// <summary>The text after the first word.</summary>
    public string Rest => Text.IndexOf(' ', StringComparison.Ordinal) is var space and >= 0 ? Text[(space + 1)..].TrimStart() : "";
}
