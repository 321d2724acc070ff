using System.Text.RegularExpressions;
using OzFunctions.Configuration;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Configuration;

/// <summary>"Every key", says the README of its example.</summary>
public sealed partial class ReadmeTests
{
    /// <summary>Where the keys of a list's entries stand in it.</summary>
    private static readonly Dictionary<string, string> Entries = new()
    {
        ["EnvironmentSetting"] = "backend.direct.environment",
        ["NamedSecret"] = "secrets",
        ["ApiKeyConfiguration"] = "api_keys",
        ["EventConfiguration"] = "events",
        ["ConfiguredSchedule"] = "schedules",
        ["WebhookConfiguration"] = "webhooks",
    };

    private static readonly string Example = File.ReadAllText(Path.Combine(Repository.Root, "README.md")).Split("## Configuration by example")[1].Split("```")[1]["yaml".Length..];

    public static TheoryData<string> Keys => [.. FindKeys()];

    [Fact]
    public void The_example_has_no_fault() => Assert.Empty(ConfigurationReader.Read(Example).Faults);

    [Theory]
    [MemberData(nameof(Keys))]
    public void Every_key_that_can_be_shown_stands_in_the_example(string key)
    {
        var parts = key.Split('.');
        var section = Example;
        for (var depth = 0; depth < parts.Length - 1; depth++)
        {
            section = Section(section, parts[depth], 2 * depth);
        }

        Assert.Matches($@"(?<![\w.-]){Regex.Escape(parts[^1])}:(?:\s|$)", section);
    }

    [Fact]
    public void The_keys_are_found()
    {
        string[] some = ["worker_id", "backend.direct.limits.memory", "backend.direct.environment.value", "limits.queue_ttl", "events.topic", "webhooks.replay_window", "api_keys.sha256"];

        Assert.Empty(some.Except(FindKeys()));
    }

    /// <summary>Everything that the effective configuration can be shown with, read from the source that shows it: an example cannot tell what is missing in it.</summary>
    private static List<string> FindKeys()
    {
        var keys = new List<string>();
        var path = new List<string>();
        foreach (var line in File.ReadLines(Path.Combine(Repository.Root, "src", "OzFunctions.Configuration", "ConfigurationText.cs")))
        {
            if (FieldsOf().Match(line) is { Success: true } fields)
            {
                path = [Entries[fields.Groups[1].Value]];
            }
            else if (line.Length == 0)
            {
                path = [];
            }

            if (line.Contains("yaml.Close()", StringComparison.Ordinal))
            {
                path.RemoveAt(path.Count - 1);
            }

            foreach (var key in Key().Matches(line).Select(match => match.Groups["key"].Value))
            {
                keys.Add(string.Join('.', [.. path, key]));
            }

            if (Open().Match(line) is { Success: true } open)
            {
                path.Add(open.Groups[1].Value);
            }
        }

        return keys;
    }

    /// <summary>What stands below a key of this depth.</summary>
    private static string Section(string text, string key, int indent)
    {
        var lines = text.Split('\n').SkipWhile(line => !line.StartsWith($"{new string(' ', indent)}{key}:", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(lines);
        return string.Join('\n', [lines[0], .. lines.Skip(1).TakeWhile(line => line.Length == 0 || line.StartsWith(new string(' ', indent + 1), StringComparison.Ordinal))]);
    }

    [GeneratedRegex(@" Fields\((\w+) ")]
    private static partial Regex FieldsOf();

    [GeneratedRegex(@"(?:yaml\.(?:Key|Items)\(|(?<![\w.])\()""(?<key>[a-z][a-z0-9_]*)"",")]
    private static partial Regex Key();

    [GeneratedRegex(@"yaml\.Open\(""(\w+)""\)")]
    private static partial Regex Open();
}
