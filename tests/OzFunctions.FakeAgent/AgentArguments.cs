using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.FakeAgent;

/// <summary>A command line of <c>oz agent run</c> that the real CLI would take.</summary>
internal sealed partial class AgentArguments
{
    /// <summary>Stands for an optional value that was not given; no argument can hold a NUL.</summary>
    public const string Bare = "\0";

    private readonly Dictionary<string, List<string>> _given;

    private AgentArguments(Dictionary<string, List<string>> given) => _given = given;

    public string? Prompt => Find("prompt");

    public bool IsJson => Find("output-format") is "json" or "ndjson";

    public bool Has(string flag) => _given.ContainsKey(flag);

    public string? Find(string flag) => _given.TryGetValue(flag, out var values) ? values[^1] : null;

    public IReadOnlyList<string> All(string flag) => _given.TryGetValue(flag, out var values) ? values : [];

    public static AgentArguments Parse(Dictionary<string, List<string>> globals, ReadOnlySpan<string> args)
    {
        var arguments = new AgentArguments(FlagParser.Parse(args, Flag.AgentRun, globals));
        arguments.ReadEnvironment("WARP_OUTPUT_FORMAT", "output-format");
        arguments.ReadEnvironment("WARP_AGENT_CONFIG_FILE", "file");
        arguments.CheckPresence();
        arguments.CheckValues();
        return arguments;
    }

    /// <summary>What the CLI finds wrong only after parsing: exit 1.</summary>
    public void CheckPlaces()
    {
        if (Find("cwd") is { } cwd && !Directory.Exists(cwd))
        {
            throw new AgentException($"Failed to resolve working directory '{cwd}'\n=> No such file or directory (os error 2)");
        }

        if (Find("file") is { } file)
        {
            ConfigFile.Check(file);
        }

        foreach (var spec in All("mcp"))
        {
            if (!spec.TrimStart().StartsWith('{') && !Guid.TryParse(spec, out _) && !File.Exists(spec))
            {
                throw new AgentException($"Failed to read MCP config file '{spec}'\n=> No such file or directory (os error 2)");
            }
        }
    }

    private void ReadEnvironment(string variable, string flag)
    {
        if (!Has(flag) && Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value)
        {
            _given[flag] = [value];
        }
    }

    private void CheckPresence()
    {
        if (!Has("prompt") && !Has("saved-prompt") && !Has("skill") && !Has("task-id"))
        {
            throw UsageException.Missing("<--prompt <PROMPT>|--saved-prompt <SAVED_PROMPT>|--skill <SPEC>>");
        }

        Exclude("prompt", "saved-prompt");
        Exclude("task-id", "prompt");
        Exclude("task-id", "saved-prompt");
        Exclude("task-id", "file");
        Exclude("computer-use", "no-computer-use");
        Require("bedrock-inference-role", "bedrock-role-region");
        Require("bedrock-role-region", "bedrock-inference-role");
        Require("skip-initial-turn", "task-id");
        Require("skip-initial-turn", "idle-on-complete");
    }

    private void CheckValues()
    {
        OneOf("output-format", "pretty", "text", "json", "ndjson");
        OneOf("harness", "oz", "claude", "codex", "gemini", "opencode");
        if (Find("harness") == "opencode")
        {
            throw UsageException.Invalid("opencode", "--harness <HARNESS>", "'opencode' is not supported by 'agent run'");
        }

        foreach (var share in All("share"))
        {
            CheckShare(share);
        }

        foreach (var name in new[] { "idle-on-complete", "idle-on-fail", "mcp-startup-timeout", "snapshot-upload-timeout", "snapshot-script-timeout" })
        {
            if (Find(name) is { } value && value != Bare && FindDuration(value) is null)
            {
                throw UsageException.Invalid(value, Text(name), "expected number at 0");
            }
        }

        foreach (var spec in All("mcp"))
        {
            if (spec.TrimStart().StartsWith('{') && !IsJsonObject(spec))
            {
                throw UsageException.Invalid(spec, "--mcp <SPEC>", "invalid JSON");
            }
        }

        foreach (var server in All("mcp-server"))
        {
            if (!Guid.TryParse(server, out _))
            {
                throw UsageException.Invalid(server, "--mcp-server <UUID>", "invalid UUID");
            }
        }

        foreach (var json in All("repository-head-override-json"))
        {
            if (!IsJsonObject(json) || !CommitId().IsMatch(json))
            {
                throw UsageException.Invalid(json, "--repository-head-override-json <JSON>", "the SHA must be 40 lowercase hex digits");
            }
        }
    }

    /// <summary>Facts A3: subject up to the first colon, level after it.</summary>
    private static void CheckShare(string share)
    {
        if (share == Bare)
        {
            return;
        }

        var colon = share.IndexOf(':', StringComparison.Ordinal);
        var subject = colon < 0 ? share : share[..colon];
        if (subject is not ("team" or "public") && !subject.Contains('@', StringComparison.Ordinal))
        {
            throw UsageException.Invalid(share, "--share [<WHO>]", $"Cannot share with '{subject}'. Expected 'team', 'public', or an email address");
        }

        if (colon >= 0 && share[(colon + 1)..] is not ("view" or "edit"))
        {
            throw UsageException.Invalid(share, "--share [<WHO>]", $"Invalid access level '{share[(colon + 1)..]}'. Expected 'view' or 'edit'");
        }
    }

    /// <summary>humantime: <c>10m</c>, <c>1h 30m</c>, <c>0s</c>; null when it is none.</summary>
    public static TimeSpan? FindDuration(string text)
    {
        var match = HumanTime().Match(text);
        if (!match.Success)
        {
            return null;
        }

        var total = TimeSpan.Zero;
        for (var i = 0; i < match.Groups[1].Captures.Count; i++)
        {
            var number = double.Parse(match.Groups[1].Captures[i].Value, CultureInfo.InvariantCulture);
            total += match.Groups[2].Captures[i].Value switch
            {
                "ms" => TimeSpan.FromMilliseconds(number),
                "s" or "sec" or "secs" => TimeSpan.FromSeconds(number),
                "m" or "min" or "mins" => TimeSpan.FromMinutes(number),
                "h" or "hr" or "hrs" => TimeSpan.FromHours(number),
                _ => TimeSpan.FromDays(number),
            };
        }

        return total;
    }

    private void Exclude(string one, string other)
    {
        if (Has(one) && Has(other))
        {
            throw UsageException.Conflict(Text(one), Text(other));
        }
    }

    private void Require(string one, string other)
    {
        if (Has(one) && !Has(other))
        {
            throw UsageException.Missing(Text(other));
        }
    }

    private void OneOf(string flag, params string[] possible)
    {
        if (Find(flag) is { } value && !possible.Contains(value))
        {
            throw UsageException.NotPossible(value, Text(flag), string.Join(", ", possible));
        }
    }

    private static string Text(string flag) => Array.Find(Flag.AgentRun, candidate => candidate.Name == flag)!.Text;

    private static bool IsJsonObject(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    [GeneratedRegex("^(?:([0-9]{1,9})(ms|s|secs?|m|mins?|h|hrs?|d|days?)\\s*)+$")]
    private static partial Regex HumanTime();

    [GeneratedRegex("\"[0-9a-f]{40}\"")]
    private static partial Regex CommitId();
}
