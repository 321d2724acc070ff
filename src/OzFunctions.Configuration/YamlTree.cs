using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace OzFunctions.Configuration;

/// <summary>A node of the document with its line. Unlike the library's own tree it keeps duplicate keys, so that each can be named.</summary>
internal abstract record YamlItem(int Line);

/// <param name="IsPlain">Written without quotes: only then <c>true</c> and <c>7</c> are more than text.</param>
internal sealed record YamlText(string Value, bool IsPlain, int Line) : YamlItem(Line)
{
    public bool IsNull => IsPlain && Value is "" or "~" or "null" or "Null" or "NULL";
}

internal sealed record YamlList(IReadOnlyList<YamlItem> Items, int Line) : YamlItem(Line);

internal sealed record YamlMap(IReadOnlyList<(string Key, int Line, YamlItem Value)> Entries, int Line) : YamlItem(Line);

/// <summary>A text that is no document: the line, and the rule where it is one of ours.</summary>
internal sealed class YamlTextException(int line, string? rule, Exception? inner = null) : Exception(rule, inner)
{
    public int Line { get; } = line;

    public string? Rule { get; } = rule;
}

/// <summary>Reads a text into items.</summary>
internal static class YamlTree
{
    private const string TabRule = "a tab indents this line; YAML takes spaces only";

    private const int Deepest = 32;

    /// <summary>The document's root; null when the text holds none. Throws <see cref="YamlTextException"/> with the place.</summary>
    public static YamlItem? Read(string text)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            return ReadDocument(parser, text);
        }
        catch (Exception ex) when (ex is YamlException or InvalidOperationException or ArgumentException)
        {
            // The library leaves the place of some faults empty and ends others by an exception of the base library (an open '[').
            var line = ex is YamlException { Start.Index: > 0 } known ? known.Start.Line : parser.Current?.End.Line ?? 1;
            var tab = FindTab(text, (int)line, ex);
            throw new YamlTextException(tab ?? (int)line, tab is null ? null : TabRule, ex);
        }
    }

    private static YamlItem? ReadDocument(Parser parser, string text)
    {
        var insideText = new HashSet<int>();
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _))
        {
            return null;
        }

        parser.Consume<DocumentStart>();
        var root = ReadItem(parser, new Dictionary<string, YamlItem>(StringComparer.Ordinal), insideText, 0);
        parser.Consume<DocumentEnd>();
        if (parser.Accept<DocumentStart>(out var second))
        {
            throw new YamlTextException((int)second.Start.Line, "a second document begins here; the configuration is one document, remove the '---' or what follows it");
        }

        // The parser takes some tabs for indentation and guesses; inside a text of several lines they are content.
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (!insideText.Contains(i + 1) && IsIndentedByTab(lines[i]))
            {
                throw new YamlTextException(i + 1, TabRule);
            }
        }

        return root;
    }

    /// <summary>The nearest line at or above the place that a tab indents; below it only when the library speaks of tabs.</summary>
    private static int? FindTab(string text, int line, Exception exception)
    {
        var lines = text.Split('\n');
        for (var i = Math.Min(line, lines.Length); i > 0; i--)
        {
            if (IsIndentedByTab(lines[i - 1]))
            {
                return i;
            }
        }

        var below = exception.Message.Contains("tab", StringComparison.Ordinal) ? Array.FindIndex(lines, IsIndentedByTab) : -1;
        return below < 0 ? null : below + 1;
    }

    /// <summary>Whether a tab stands before the first word of a line that has one.</summary>
    private static bool IsIndentedByTab(string line)
    {
        var content = line.AsSpan().TrimStart(" \t\r");
        return content is not ([] or ['#', ..]) && line.AsSpan(0, line.Length - content.Length).Contains('\t');
    }

    private static YamlItem ReadItem(Parser parser, Dictionary<string, YamlItem> anchors, HashSet<int> insideText, int depth)
    {
        if (depth > Deepest)
        {
            throw new YamlTextException((int)parser.Current!.Start.Line, "nested too deep");
        }

        var start = parser.Current!;
        var line = (int)start.Start.Line;
        YamlItem item;
        switch (start)
        {
            case AnchorAlias alias:
                parser.MoveNext();
                return anchors.TryGetValue(alias.Value.Value, out var known) ? known : throw new YamlTextException((int)alias.Start.Line, $"the anchor '{alias.Value.Value}' is not known here");
            case Scalar scalar:
                parser.MoveNext();
                insideText.UnionWith(Enumerable.Range(line + 1, Math.Max(0, (int)scalar.End.Line - line - (scalar.End.Column <= 1 ? 1 : 0))));
                item = new YamlText(scalar.Value, scalar.Style == ScalarStyle.Plain, line);
                break;
            case SequenceStart:
                parser.MoveNext();
                var items = new List<YamlItem>();
                while (!parser.TryConsume<SequenceEnd>(out _))
                {
                    items.Add(ReadItem(parser, anchors, insideText, depth + 1));
                }

                item = new YamlList(items, line);
                break;
            default:
                parser.Consume<MappingStart>();
                item = ReadMap(parser, anchors, insideText, depth, line);
                break;
        }

        if (start is NodeEvent { Anchor.IsEmpty: false } node)
        {
            anchors[node.Anchor.Value] = item;
        }

        return item;
    }

    private static YamlMap ReadMap(Parser parser, Dictionary<string, YamlItem> anchors, HashSet<int> insideText, int depth, int line)
    {
        var entries = new List<(string, int, YamlItem)>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (!parser.TryConsume<Scalar>(out var key))
            {
                throw new YamlTextException((int)parser.Current!.Start.Line, "a key must be a plain word");
            }

            entries.Add((key.Value, (int)key.Start.Line, ReadItem(parser, anchors, insideText, depth + 1)));
        }

        return new YamlMap(entries, line);
    }
}
