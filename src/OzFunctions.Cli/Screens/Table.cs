using System.Text;

namespace OzFunctions.Cli.Screens;

/// <summary>Aligned columns under a heading. On a terminal the last column gives way so that no row wraps.</summary>
internal sealed class Table(params string[] headings)
{
    private const int Gap = 2;
    private const int LeastWidth = 8;

    private readonly List<Cell[]> _rows = [];

    public bool IsEmpty => _rows.Count == 0;

    public void Add(params Cell[] cells) => _rows.Add(cells);

    public void Write(Screen screen)
    {
        var widths = new int[headings.Length];
        for (var column = 0; column < widths.Length; column++)
        {
            widths[column] = Math.Max(headings[column].Length, _rows.Max(row => TextWidth.Of(row[column].Text)));
        }

        if (screen.Width != int.MaxValue)
        {
            var others = widths[..^1].Sum() + Gap * (widths.Length - 1);
            widths[^1] = Math.Min(widths[^1], Math.Max(LeastWidth, screen.Width - others));
        }

        screen.Line(Render(screen, [.. headings.Select(heading => new Cell(heading, Style.Quiet))], widths));
        foreach (var row in _rows)
        {
            screen.Line(Render(screen, row, widths));
        }
    }

    private static string Render(Screen screen, Cell[] row, int[] widths)
    {
        var line = new StringBuilder();
        for (var column = 0; column < row.Length; column++)
        {
            var text = TextWidth.Cut(row[column].Text, widths[column]);
            line.Append(screen.Paint(text, row[column].Style));
            if (column < row.Length - 1)
            {
                line.Append(' ', widths[column] - TextWidth.Of(text) + Gap);
            }
        }

        return line.ToString();
    }
}

/// <summary>One cell of a table.</summary>
internal readonly record struct Cell(string Text, Style Style = Style.Plain)
{
    public static implicit operator Cell(string text) => new(text);
}
