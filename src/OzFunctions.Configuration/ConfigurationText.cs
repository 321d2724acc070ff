using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Events;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Webhooks;

namespace OzFunctions.Configuration;

/// <summary>The effective configuration as YAML, each key with where it came from. Sources of secrets are shown, values never.</summary>
internal static partial class ConfigurationText
{
    public const string Hidden = "'***'";

    private static readonly JsonSerializerOptions Quoting = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Show(OzfConfiguration configuration)
    {
        var yaml = new Writer(configuration.Origins);
        var direct = configuration.Direct;
        yaml.Key("worker_id", Text(configuration.WorkerId));
        yaml.Key("cleanup", Flag(configuration.Cleanup));
        yaml.Key("max_concurrent_tasks", Number(configuration.MaxConcurrentTasks));
        yaml.Key("idle_on_complete", DurationText.Format(configuration.IdleOnComplete));
        yaml.Key("lease", DurationText.Format(configuration.Lease));
        yaml.Key("storage", configuration.Storage is { } storage ? storage.Connection?.ToString() ?? Text(storage.Address) : null);
        yaml.Key("data", Text(configuration.Data));
        yaml.Key("public_url", Text(configuration.PublicUrl));
        yaml.Open("backend");
        yaml.Open("direct");
        yaml.Key("workspace_root", Text(direct.WorkspaceRoot));
        yaml.Key("target_dir", Text(direct.TargetDir));
        yaml.Key("oz_path", Text(direct.OzPath));
        yaml.Key("setup_command", Text(direct.SetupCommand));
        yaml.Key("teardown_command", Text(direct.TeardownCommand));
        yaml.Items("environment", direct.Environment, Fields);
        yaml.Items("agent_environment", direct.AgentEnvironment, Fields);
        yaml.Key("private_home", direct.PrivateHome is { } home ? Flag(home) : null);
        yaml.Key("hook_environment", direct.InheritHookEnvironment ? "inherit" : "minimal");
        yaml.Key("sandboxed", Flag(direct.Sandboxed));
        yaml.Key("user", Text(direct.User));
        yaml.Key("keep_failed_workspaces", Flag(direct.KeepFailedWorkspaces));
        yaml.Key("setup_timeout", DurationText.Format(direct.SetupTimeout));
        yaml.Key("teardown_timeout", DurationText.Format(direct.TeardownTimeout));
        yaml.Key("stop_grace", DurationText.Format(direct.StopGrace));
        yaml.Key("finished_grace", DurationText.Format(direct.FinishedGrace));
        yaml.Key("finished_pattern", Text(direct.FinishedPattern));
        yaml.Open("limits");
        yaml.Key("memory", Size(direct.Limits.Memory));
        yaml.Key("processes", Number(direct.Limits.Processes));
        yaml.Key("cpu", direct.Limits.Cpu?.ToString(CultureInfo.InvariantCulture));
        yaml.Key("open_files", Number(direct.Limits.OpenFiles));
        yaml.Key("core", Size(direct.Limits.Core));
        yaml.Key("nice", Number(direct.Limits.Nice));
        yaml.Key("oom_score_adj", Number(direct.Limits.OomScoreAdj));
        yaml.Key("workspace", Size(direct.Limits.Workspace));
        yaml.Key("log_rate", Size(direct.Limits.LogRate));
        yaml.Close();
        yaml.Close();
        yaml.Close();
        ShowHost(yaml, configuration);
        yaml.Items("secrets", configuration.Secrets, Fields);
        yaml.Items("events", configuration.Events, Fields);
        yaml.Items("schedules", configuration.Schedules, Fields);
        yaml.Items("webhooks", configuration.Webhooks, Fields);
        yaml.Items("api_keys", configuration.ApiKeys, Fields);
        return yaml.ToString();
    }

    private static void ShowHost(Writer yaml, OzfConfiguration configuration)
    {
        var (limits, policy) = (configuration.Limits, configuration.Policy);
        yaml.Open("limits");
        yaml.Key("max_queued", Number(limits.MaxQueued));
        yaml.Key("queue_ttl", DurationText.Format(limits.QueueTtl));
        yaml.Key("disk_free", Size(limits.DiskFree));
        yaml.Key("inodes_free", limits.InodesFree.ToString(CultureInfo.InvariantCulture));
        yaml.Key("memory_free", Size(limits.MemoryFree));
        yaml.Key("log_bytes", Size(limits.LogBytes));
        yaml.Key("spool_bytes", Size(limits.SpoolBytes));
        yaml.Key("artifact_file_bytes", Size(limits.ArtifactFileBytes));
        yaml.Key("artifact_count", Number(limits.ArtifactCount));
        yaml.Key("artifact_total_bytes", Size(limits.ArtifactTotalBytes));
        yaml.Close();
        yaml.Open("retention");
        yaml.Key("runs", configuration.KeepRuns is { } kept ? DurationText.Format(kept) : null);
        yaml.Close();
        yaml.Open("policy");
        yaml.Key("env", List(policy.Env));
        yaml.Key("max_timeout", DurationText.Format(policy.MaxTimeout));
        yaml.Key("senders", List(policy.Senders));
        yaml.Key("agents", List(policy.Agents));
        yaml.Key("veto_command", policy.VetoCommand);
        yaml.Key("concurrency", Number(policy.Concurrency));
        yaml.Close();
    }

    private static IEnumerable<(string Key, string? Value)> Fields(EnvironmentSetting entry) =>
        [("name", Text(entry.Name)), ("value", entry.Source?.ToString() ?? (entry.Value is not null && SecretNames.IsSecret(entry.Name) ? Hidden : Text(entry.Value)))];

    private static IEnumerable<(string Key, string? Value)> Fields(NamedSecret secret) =>
        [("name", Text(secret.Name)), ("env", secret.Source.Env), ("file", Text(secret.Source.File))];

    private static IEnumerable<(string Key, string? Value)> Fields(ApiKeyConfiguration key) =>
        [("name", Text(key.Name)), ("sha256", key.Sha256), ("env", key.Source?.Env), ("file", Text(key.Source?.File)), ("scopes", List([.. ApiKeyConfiguration.ScopeNames(key.Scopes)]))];

    private static IEnumerable<(string Key, string? Value)> Fields(EventConfiguration publisher) =>
    [
        ("name", Text(publisher.Name)), ("queue", Text(publisher.Queue)), ("topic", Text(publisher.Topic)), ("url", Text(publisher.Url)), ("command", Text(publisher.Command)),
        ("secret", publisher.Secrets switch { [] => null, [var one] => one.ToString(), var several => $"[{string.Join(", ", several)}]" }),
        ("allow_private", publisher.AllowPrivate ? Flag(true) : null), ("timeout", publisher.Timeout is { } timeout ? DurationText.Format(timeout) : null),
        ("environment", publisher.Environment.Count == 0 ? null : $"[{string.Join(", ", publisher.Environment.Select(entry => $"{{{string.Join(", ", Fields(entry).Where(field => field.Value is not null).Select(field => $"{field.Key}: {field.Value}"))}}}"))}]"),
        ("connection", publisher.Connection?.ToString()), ("kinds", List([.. publisher.Kinds.Select(kind => kind.Text())])),
    ];

    private static IEnumerable<(string Key, string? Value)> Fields(ConfiguredSchedule schedule) =>
    [
        ("name", Text(schedule.Name)), ("cron", Text(schedule.Definition.Cron)), ("time_zone", Text(schedule.Definition.TimeZone)), ("enabled", Flag(schedule.Definition.Enabled)),
        ("overlap", Word(schedule.Definition.Overlap)), ("missed", Word(schedule.Definition.Missed)), ("missed_window", DurationText.Format(schedule.Definition.MissedWindow)),
        ("request", JsonSerializer.Serialize(schedule.Definition.Request, RunJson.Wire.RunRequest)),
    ];

    private static IEnumerable<(string Key, string? Value)> Fields(WebhookConfiguration webhook) =>
    [
        ("name", Text(webhook.Name)), ("kind", webhook.Kind.Text()), ("secrets", $"[{string.Join(", ", webhook.Secrets)}]"), ("header", Text(webhook.Header)), ("id_header", Text(webhook.IdHeader)),
        ("event_header", Text(webhook.EventHeader)), ("tolerance", webhook.Tolerance is { } tolerance ? DurationText.Format(tolerance) : null), ("replay_window", webhook.ReplayWindow is { } window ? DurationText.Format(window) : null), ("max_body", Size(webhook.MaxBody)), ("origins", List(webhook.Origins)),
        ("events", List(webhook.Filter.Events)), ("actions", List(webhook.Filter.Actions)), ("labels", List(webhook.Filter.Labels)), ("senders", List(webhook.Filter.Senders)),
        ("bots", webhook.Kind is WebhookKind.GitHub or WebhookKind.Slack or WebhookKind.Linear ? List(webhook.Filter.Bots) : null),
        ("associations", webhook.Kind == WebhookKind.GitHub ? List(webhook.Filter.Associations) : null),
        ("outsiders", webhook.Kind is WebhookKind.GitHub or WebhookKind.Slack or WebhookKind.Linear ? Flag(webhook.Filter.Outsiders) : null),
        ("required", webhook.Filter.Required is [] ? null : List([.. webhook.Filter.Required.Select(path => path.ToString())])), ("where", Rules(webhook.Filter.Where)), ("contains", Rules(webhook.Filter.Contains)),
        ("max_queued", Number(webhook.MaxQueued)), ("enabled", Flag(webhook.Enabled)), ("request", JsonSerializer.Serialize(webhook.Request!.Request, RunJson.Wire.RunRequest)),
    ];

    private static string? Rules(IReadOnlyList<PathRule> rules) =>
        rules is [] ? null : JsonSerializer.Serialize(rules.ToDictionary(rule => rule.Path.ToString(), rule => rule.Texts), Quoting);

    private static string Flag(bool value) => value ? "true" : "false";

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static string? Number(int? value) => value?.ToString(CultureInfo.InvariantCulture);

    private static string? Size(long? value) => value is { } bytes ? SizeText.Format(bytes) : null;

    private static string? List(IReadOnlyList<string>? texts) => texts is null ? null : JsonSerializer.Serialize(texts, Quoting);

    /// <summary>A JSON text is a YAML text too.</summary>
    private static string? Text(string? text) =>
        text is null ? null : Plain().IsMatch(text) && text is not ("true" or "false" or "null") ? text : JsonSerializer.Serialize(text, Quoting);

    [GeneratedRegex(@"\A[A-Za-z_/][A-Za-z0-9_./-]*\z")]
    private static partial Regex Plain();

    /// <summary>Indents, and says behind each key where it came from.</summary>
    private sealed class Writer(IReadOnlyDictionary<string, ConfigurationOrigin> origins)
    {
        private readonly StringBuilder _text = new();
        private readonly Stack<string> _path = new();

        public void Open(string key)
        {
            Indent().Append(key).Append(":\n");
            _path.Push(Full(key));
        }

        public void Close() => _path.Pop();

        public void Key(string key, string? value) =>
            Indent().Append(key).Append(": ").Append(value ?? "null").Append("  # ").Append(Origin(key)).Append('\n');

        public void Items<T>(string key, IReadOnlyList<T> items, Func<T, IEnumerable<(string Key, string? Value)>> fields)
        {
            Indent().Append(key).Append(items.Count == 0 ? ": []" : ":").Append("  # ").Append(Origin(key)).Append('\n');
            foreach (var item in items)
            {
                var first = true;
                foreach (var (name, value) in fields(item).Where(field => field.Value is not null))
                {
                    Indent().Append(first ? "  - " : "    ").Append(name).Append(": ").Append(value).Append('\n');
                    first = false;
                }
            }
        }

        public override string ToString() => _text.ToString();

        private StringBuilder Indent() => _text.Append(' ', 2 * _path.Count);

        private string Full(string key) => _path.Count == 0 ? key : $"{_path.Peek()}.{key}";

        private string Origin(string key) => origins.GetValueOrDefault(Full(key)).ToString().ToLowerInvariant();
    }
}
