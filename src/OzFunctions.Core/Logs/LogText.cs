using System.Text;

namespace OzFunctions.Logs;

/// <summary>
/// A log for people: the agent's NDJSON in its own text form, other output as it is, a prefix for what is not the agent's, nothing that
/// could play tricks on a terminal. One instance reads one log from its beginning on.
/// </summary>
public sealed class LogText(bool color)
{
    private const int LongestLine = 1 << 20;
    private readonly Dictionary<string, StringBuilder> _parts = [];

    /// <summary>Text for one stored line, without a line feed at its end; null: it waits for the rest of a long line, or has nothing to show.</summary>
    public string? Add(LogLine line)
    {
        if (line.Cut is { } cut)
        {
            _parts.Clear();
            return Prefixed(line.Source, Dim($"… {cut.Lines} lines ({cut.Bytes} bytes) are left out here …"));
        }

        _parts.TryGetValue(line.Source, out var parts);
        if (line.IsContinued && (parts?.Length ?? 0) < LongestLine)
        {
            _parts[line.Source] = (parts ?? new StringBuilder()).Append(line.Text);
            return null;
        }

        _parts.Remove(line.Source);
        return Show(line.Source, parts is null ? line.Text : parts.Append(line.Text).ToString());
    }

    /// <summary>Text of a long line whose rest never came; null: there is none.</summary>
    public string? End()
    {
        var left = _parts.Select(parts => Show(parts.Key, parts.Value.ToString())).OfType<string>().ToList();
        _parts.Clear();
        return left.Count == 0 ? null : string.Join('\n', left);
    }

    private string? Show(string source, string text)
    {
        if (source is LogSource.Out && AgentText.TryRead(text, out var shown))
        {
            return shown is null ? null : shown.Value.IsDim ? Dim(TerminalText.Clean(shown.Value.Text, color: false)) : TerminalText.Clean(shown.Value.Text, color);
        }

        var clean = TerminalText.Clean(text, color);
        return source is LogSource.Out or LogSource.Err ? clean : Prefixed(source, clean);
    }

    private string Prefixed(string source, string text)
    {
        var prefix = TerminalText.Clean(source, color: false);
        return color ? $"\x1b[36m[{prefix}]\x1b[0m {text}" : $"[{prefix}] {text}";
    }

    private string Dim(string text) => color ? $"\x1b[2m{text}\x1b[0m" : text;
}
