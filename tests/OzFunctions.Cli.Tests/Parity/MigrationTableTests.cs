using System.Globalization;
using System.Text.RegularExpressions;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Parity;

/// <summary>docs/migration.md names a test or a difference for every row of the vendor's behaviour, and they are there.</summary>
public sealed partial class MigrationTableTests
{
    private static readonly string Root = Path.GetFullPath("../..", TestPackages.Directory);

    private static readonly string[] Text = File.ReadAllLines(Path.Combine(Root, "docs", "migration.md"));

    [Fact]
    public void It_begins_with_what_does_not_come_yet() =>
        Assert.StartsWith("Oz's own orchestrator cannot send runs to an `ozf worker` yet (a later version)", Text.First(line => line.Length > 0 && !line.StartsWith('#')), StringComparison.Ordinal);

    [Fact]
    public void Every_row_has_its_line()
    {
        var wanted = Rows("seed M", 1, 14).Concat(Rows("seed U", 1, 11)).Concat(Rows("A8.", 1, 9)).Concat(Rows("B1.", 1, 15)).Concat(Rows("B2.", 1, 12)).Concat(Rows("C2.", 0, 13)).Concat(Rows("C4.", 1, 9)).Concat(Rows("I2.", 1, 7));

        Assert.All(wanted, row => Assert.Single(Text, line => line.StartsWith($"| {row} |", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_test_and_every_difference_that_is_named_exists()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal))
            .ToLookup(path => Path.GetFileNameWithoutExtension(path), File.ReadAllText);
        var rows = Text.Where(line => RowPattern().IsMatch(line)).ToList();
        Assert.NotEmpty(rows);
        foreach (var row in rows)
        {
            var tests = TestPattern().Matches(row).ToList();
            var differences = DifferencePattern().Matches(row.Split('|')[3]).ToList();
            Assert.True(tests.Count + differences.Count > 0, row);
            Assert.All(tests, test => Assert.Contains(
                sources[test.Groups["class"].Value], source => test.Groups["method"].Value.Length == 0 || source.Contains(" " + test.Groups["method"].Value + "(", StringComparison.Ordinal)));
            Assert.All(differences, difference => Assert.Single(Text, line => line.StartsWith($"| {difference.Value} |", StringComparison.Ordinal)));
        }
    }

    private static IEnumerable<string> Rows(string prefix, int first, int last) => Enumerable.Range(first, last - first + 1).Select(number => prefix + number.ToString(CultureInfo.InvariantCulture));

    [GeneratedRegex(@"^\| (seed [MU]|[ABCI]\d\.)\d+ \|")]
    private static partial Regex RowPattern();

    [GeneratedRegex(@"`(?<class>\w+Tests)(\.(?<method>\w+))?`")]
    private static partial Regex TestPattern();

    [GeneratedRegex(@"\bD\d+\b")]
    private static partial Regex DifferencePattern();
}
