using System.Globalization;
using System.Text.RegularExpressions;
using OzFunctions.Requests;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Configuration;

/// <summary>Reads <c>backend.direct</c> (facts B2.5 to B2.9, and ours beside them).</summary>
internal static class DirectReader
{
    private static readonly TimeSpan LongestHook = TimeSpan.FromHours(24);

    public static DirectConfiguration Read(Section direct)
    {
        var defaults = new DirectConfiguration();
        return new DirectConfiguration
        {
            WorkspaceRoot = direct.TextOrNone("workspace_root"),
            TargetDir = direct.TextOrNone("target_dir"),
            OzPath = direct.TextOrNone("oz_path"),
            SetupCommand = direct.TextOrNone("setup_command"),
            TeardownCommand = direct.TextOrNone("teardown_command"),
            Environment = ReadEnvironment(direct, "environment"),
            AgentEnvironment = ReadEnvironment(direct, "agent_environment"),
            PrivateHome = direct.Flag("private_home"),
            InheritHookEnvironment = direct.OneOf("hook_environment", "inherit", "minimal") == "inherit",
            Sandboxed = direct.Flag("sandboxed") ?? defaults.Sandboxed,
            User = direct.Text("user", text => text.Any(c => char.IsWhiteSpace(c) || c is ':' or '/') ? "must be the name of an account" : null),
            KeepFailedWorkspaces = direct.Flag("keep_failed_workspaces") ?? defaults.KeepFailedWorkspaces,
            SetupTimeout = direct.Duration("setup_timeout", TimeSpan.FromSeconds(1), LongestHook) ?? defaults.SetupTimeout,
            TeardownTimeout = direct.Duration("teardown_timeout", TimeSpan.FromSeconds(1), LongestHook) ?? defaults.TeardownTimeout,
            StopGrace = direct.Duration("stop_grace", TimeSpan.Zero, TimeSpan.FromHours(1)) ?? defaults.StopGrace,
            FinishedGrace = direct.Duration("finished_grace", TimeSpan.Zero, TimeSpan.FromHours(1)) ?? defaults.FinishedGrace,
            FinishedPattern = direct.Text("finished_pattern", FindPatternFault),
            Limits = ReadLimits(direct),
        };
    }

    /// <summary>What is wrong with the name of a variable that the host gives to commands; null when it is fine.</summary>
    public static string? FindNameFault(string name) => name switch
    {
        "" => "is empty; write NAME or NAME=VALUE",
        _ when name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c == '=') => "a variable's name has no spaces, tabs or '='",
        "OZ_RUN_ID" or "OZ_WORKSPACE_ROOT" or "OZ_ENVIRONMENT_FILE" or "OZ_WORKER_BACKEND" or "OZ_ARTIFACTS_DIR" or "GIT_CONFIG_GLOBAL" => "is set by the host for every run; remove it",
        _ when name.StartsWith("OZF_", StringComparison.Ordinal) => "names beginning with OZF_ are the host's; choose another name",
        _ => null,
    };

    public static List<EnvironmentSetting> ReadEnvironment(Section direct, string key)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return direct.Items(key, entry =>
        {
            var name = entry.Text("name", FindNameFault);
            if (name is null)
            {
                if (!entry.Has("name"))
                {
                    entry.Missing("name", "the variable's name");
                }

                _ = entry.Find("value");
                return null;
            }

            if (!names.Add(name))
            {
                entry.Faults.Add(entry.Full("name"), name, "is listed twice; keep one", entry.LineOf("name"));
            }

            if (entry.Find("value") is YamlMap)
            {
                return ListReaders.Source(entry, "value") is { } source ? new EnvironmentSetting(name, null, source) : null;
            }

            if (SecretNames.IsSecret(name) && entry.Has("value"))
            {
                entry.Faults.Add(entry.Full("value"), null, $"{name} is a secret by its name: write {{env: NAME}} or {{file: PATH}}, or leave 'value' out to take the host's variable; a literal is refused", entry.LineOf("value"));
                return null;
            }

            return new EnvironmentSetting(name, entry.Text("value", mayBeEmpty: true));
        });
    }

    private static ShimLimits ReadLimits(Section direct)
    {
        if (direct.Below("limits") is not { } limits)
        {
            return new ShimLimits();
        }

        var configuration = new ShimLimits
        {
            Memory = limits.Size("memory", 16 << 20),
            Processes = limits.Number("processes", 8, int.MaxValue),
            Cpu = limits.Fraction("cpu", 0.01, 4096),
            OpenFiles = limits.Number("open_files", 16, int.MaxValue),
            Core = limits.Size("core"),
            Nice = limits.Number("nice", -20, 19),
            OomScoreAdj = limits.Number("oom_score_adj", -1000, 1000),
            Workspace = limits.Size("workspace", 1 << 20),
            LogRate = limits.Size("log_rate", 1 << 10),
        };
        limits.End();
        return configuration;
    }

    private static string? FindPatternFault(string text)
    {
        try
        {
            _ = new Regex(text, RegexOptions.CultureInvariant);
            return null;
        }
        catch (RegexParseException ex)
        {
            return string.Create(CultureInfo.InvariantCulture, $"is no regular expression (at {ex.Offset}: {ex.Error})");
        }
    }
}
