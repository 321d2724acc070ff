using System.Globalization;
using System.Text;
using OzFunctions.Configuration;
using OzFunctions.Json;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Tests.Schedules;

/// <summary>What docs/schedules.md shows is true.</summary>
public sealed class SchedulesDocumentTests
{
    private static readonly string[] Document = File.ReadAllLines(Path.Combine(FindRoot(), "docs", "schedules.md"));

    [Fact]
    public void Its_configuration_is_valid()
    {
        var blocks = Blocks("yaml");

        Assert.NotEmpty(blocks);
        foreach (var block in blocks)
        {
            var read = ConfigurationReader.Read(string.Join('\n', block));
            Assert.Empty(read.Faults);
            Assert.NotEmpty(read.Configuration!.Schedules);
        }
    }

    [Fact]
    public async Task Its_commands_work_in_their_order()
    {
        using var ozf = new OzfRig();
        var commands = Blocks("sh").SelectMany(block => block).ToList();

        Assert.True(commands.Count > 8);
        foreach (var command in commands)
        {
            var words = Words(command);
            Assert.Equal("ozf", words[0]);
            (await ozf.RunAsync([.. words[1..]])).Ends(0);
        }
    }

    [Fact]
    public void Its_tables_of_times_are_right()
    {
        var rows = Document.Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Trim('|').Split('|')).Where(row => row.Length == 4).ToList();

        Assert.True(rows.Count > 5);
        foreach (var row in rows)
        {
            var (text, zone) = (row[0].Trim().Trim('`'), TimeZoneInfo.FindSystemTimeZoneById(row[1].Trim()));
            Assert.True(TimeText.TryParse(row[2].Trim(), out var after), row[2]);
            Assert.True(CronExpression.TryParse(text, out var cron, out var fault), fault);
            var expected = row[3].Trim().Split(' ');

            var times = cron.Between(after, DateTimeOffset.MaxValue, zone).Take(expected.Length).Select(time => time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));

            Assert.Equal(expected, times);
        }
    }

    private static List<List<string>> Blocks(string language)
    {
        var blocks = new List<List<string>>();
        List<string>? block = null;
        foreach (var line in Document)
        {
            if (line == "```" + language)
            {
                blocks.Add(block = []);
            }
            else if (line == "```")
            {
                block = null;
            }
            else
            {
                block?.Add(line);
            }
        }

        return blocks;
    }

    /// <summary>Words of a shell's line with single quotes, which is all that the page uses.</summary>
    private static List<string> Words(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var quoted = false;
        foreach (var sign in line + " ")
        {
            if (sign == '\'')
            {
                quoted = !quoted;
            }
            else if (sign == ' ' && !quoted)
            {
                words.Add(word.ToString());
                word.Clear();
            }
            else
            {
                word.Append(sign);
            }
        }

        return words;
    }

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "OzFunctions.sln")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException($"No OzFunctions.sln above {AppContext.BaseDirectory}.");
        }

        return at.FullName;
    }
}
