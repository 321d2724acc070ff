using System.Globalization;
using System.Text.Json.Serialization;

namespace OzFunctions.Bench;

/// <summary>One figure. <see cref="Ratio"/> is the figure over its floor (or the floor over it, for rates), in the same run.</summary>
internal sealed record Row(string Name, double Value, string Unit, double? Ratio, string? Floor, string? Aim, bool? Met);

/// <summary>Gathers figures, prints a table.</summary>
internal sealed class Report
{
    private readonly List<Row> _rows = [];

    public IReadOnlyList<Row> Rows => _rows;

    public void Add(string name, double value, string unit, double? ratio = null, string? floor = null, string? aim = null, bool? met = null)
    {
        var row = new Row(name, Math.Round(value, 3), unit, ratio is { } r ? Math.Round(r, 2) : null, floor, aim, met);
        _rows.Add(row);
        Console.Error.WriteLine($"  {row.Name}: {row.Value.ToString(CultureInfo.InvariantCulture)} {row.Unit}");
    }

    /// <summary>What another process measured and printed.</summary>
    public void AddAll(IEnumerable<Row> rows) => _rows.AddRange(rows);

    public void Print(TextWriter writer)
    {
        writer.WriteLine($"{"figure",-44} {"value",12} {"unit",-10} {"ratio",8}  {"of",-34} aim");
        foreach (var row in _rows)
        {
            var aim = row.Aim is null ? "" : $"{row.Aim} {(row.Met == true ? "met" : "MISSED")}";
            writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{row.Name,-44} {row.Value,12:0.###} {row.Unit,-10} {row.Ratio,8:0.##}  {row.Floor ?? "",-34} {aim}").TrimEnd());
        }

        writer.WriteLine();
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<Row>))]
internal sealed partial class BenchJson : JsonSerializerContext;

/// <summary>Percentiles of a sample.</summary>
internal static class Sample
{
    public static double Percentile(this IEnumerable<double> values, double percent)
    {
        var sorted = values.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}
