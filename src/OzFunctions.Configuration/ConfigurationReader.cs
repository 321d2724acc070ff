using OzFunctions.Requests;

namespace OzFunctions.Configuration;

/// <summary>Reads the YAML document of design section 12: strict, every fault at once, each with key, value, rule and line.</summary>
internal static class ConfigurationReader
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    /// <param name="source">The file's name for messages; null for none.</param>
    public static ConfigurationResult Read(string text, string? source = null)
    {
        var faults = new ConfigurationFaults(source);
        try
        {
            switch (YamlTree.Read(text))
            {
                case null or YamlText { IsNull: true }:
                    return new ConfigurationResult(new OzfConfiguration(), []);
                case YamlMap map:
                    var configuration = ReadRoot(new Section(map, "", faults));
                    return new ConfigurationResult(faults.Count == 0 ? configuration with { Origins = faults.Origins } : null, faults.ToArray());
                case var other:
                    faults.Add("", null, "the configuration must be a mapping of keys, as in 'worker_id: my-worker'", other.Line);
                    break;
            }
        }
        catch (YamlTextException ex)
        {
            // The library's own messages may quote the text, which may hold a secret.
            faults.Add("", null, ex.Rule ?? "is not YAML here; look for a missing quote or bracket, a missing space after ':' or wrong indentation", ex.Line);
        }

        return new ConfigurationResult(null, faults.ToArray());
    }

    private static OzfConfiguration ReadRoot(Section root)
    {
        var defaults = new OzfConfiguration();
        var configuration = new OzfConfiguration
        {
            WorkerId = root.TextOrNone("worker_id", WorkerIdRule.FindFault),
            Cleanup = root.WordyFlag("cleanup") ?? defaults.Cleanup,

            // Negative is no limit, as 0 is (facts B1.10).
            MaxConcurrentTasks = root.Number("max_concurrent_tasks", int.MinValue, int.MaxValue) is { } tasks ? Math.Max(0, tasks) : null,
            IdleOnComplete = root.HumanDuration("idle_on_complete", TimeSpan.Zero, Longest) ?? defaults.IdleOnComplete,
            Direct = ReadBackend(root),
            Lease = root.Duration("lease", TimeSpan.FromMinutes(2), TimeSpan.FromHours(24)) ?? defaults.Lease,
            Limits = ReadLimits(root),
            KeepRuns = ReadRetention(root),
            Secrets = ListReaders.Secrets(root, "secrets"),
            Policy = ReadPolicy(root),
            Storage = ReadStorage(root),
            Data = root.Text("data"),
            Events = ListReaders.Events(root),
            Schedules = ListReaders.Schedules(root),
            Webhooks = ListReaders.Webhooks(root),
            ApiKeys = ApiKeyReader.Read(root),
            PublicUrl = root.Text("public_url", FindUrlFault)?.TrimEnd('/'),
        };
        root.End();
        return configuration;
    }

    private static DirectConfiguration ReadBackend(Section root)
    {
        if (root.Below("backend") is not { } backend)
        {
            return new DirectConfiguration();
        }

        var others = new[] { "docker", "kubernetes", "command" }.Where(backend.Mentions).ToList();
        var direct = backend.Below("direct");
        if (others.Count + (direct is null ? 0 : 1) > 1)
        {
            root.Faults.Add("backend", null, "at most one backend may be configured; keep 'direct'", root.LineOf("backend"));
        }

        foreach (var name in others)
        {
            _ = backend.Has(name);
            root.Faults.Add($"backend.{name}", null, $"this product runs agents on the host itself: remove '{name}' and configure 'backend.direct' (for {name} use the vendor's oz-agent-worker)", backend.LineOf(name));
        }

        var configuration = direct is null ? new DirectConfiguration() : DirectReader.Read(direct);
        direct?.End();
        backend.End();
        return configuration;
    }

    private static LimitsConfiguration ReadLimits(Section root)
    {
        var defaults = new LimitsConfiguration();
        if (root.Below("limits") is not { } limits)
        {
            return defaults;
        }

        var configuration = new LimitsConfiguration
        {
            MaxQueued = limits.Number("max_queued", 1, int.MaxValue),
            QueueTtl = limits.Duration("queue_ttl", TimeSpan.FromMinutes(1), TimeSpan.FromDays(365)) ?? defaults.QueueTtl,
            DiskFree = limits.Size("disk_free") ?? defaults.DiskFree,
            InodesFree = limits.Number("inodes_free", 0, int.MaxValue) ?? defaults.InodesFree,
            MemoryFree = limits.Size("memory_free") ?? defaults.MemoryFree,
            LogBytes = limits.Size("log_bytes", 64 << 10, LimitsConfiguration.MostLogBytes, "a stored log takes 50,000 appends; let the agent write what is longer into $OZ_ARTIFACTS_DIR") ?? defaults.LogBytes,
            SpoolBytes = limits.Size("spool_bytes", 1 << 20) ?? defaults.SpoolBytes,
            ArtifactFileBytes = limits.Size("artifact_file_bytes") ?? defaults.ArtifactFileBytes,
            ArtifactCount = limits.Number("artifact_count", 0, 100_000) ?? defaults.ArtifactCount,
            ArtifactTotalBytes = limits.Size("artifact_total_bytes") ?? defaults.ArtifactTotalBytes,
        };
        limits.End();
        return configuration;
    }

    private static TimeSpan? ReadRetention(Section root)
    {
        if (root.Below("retention") is not { } retention)
        {
            return null;
        }

        // Keys must answer repeats for a day, and a key goes with its run.
        var runs = retention.Duration("runs", TimeSpan.FromDays(1), TimeSpan.FromDays(3650));
        retention.End();
        return runs;
    }

    private static PolicyConfiguration ReadPolicy(Section root)
    {
        var defaults = new PolicyConfiguration();
        if (root.Below("policy") is not { } policy)
        {
            return defaults;
        }

        var configuration = new PolicyConfiguration
        {
            Env = policy.Texts("env"),
            MaxTimeout = policy.Duration("max_timeout", TimeSpan.FromSeconds(1), Longest) ?? defaults.MaxTimeout,
            Senders = policy.Texts("senders"),
            Agents = policy.Texts("agents"),
            VetoCommand = policy.Text("veto_command"),
            Concurrency = policy.Number("concurrency", 1, 10_000) ?? defaults.Concurrency,
        };
        policy.End();
        return configuration;
    }

    private static StorageConfiguration? ReadStorage(Section root)
    {
        switch (root.Find("storage"))
        {
            case null:
                return null;
            case YamlMap:
                return ListReaders.Source(root, "storage") is { } source ? new StorageConfiguration(source, null) : null;
            case YamlText { Value: "UseDevelopmentStorage=true" } text:
                return new StorageConfiguration(null, text.Value);
            case YamlText text when FindUrlFault(text.Value) is null && text.Value.StartsWith("https://", StringComparison.Ordinal):
                return new StorageConfiguration(null, text.Value.TrimEnd('/'));
            default:
                return root.Refuse<StorageConfiguration>("storage", null, "a connection string is a secret: write {env: NAME} or {file: PATH}; only an https address without a signature, or UseDevelopmentStorage=true, may stand here");
        }
    }

    /// <summary>What is wrong with an address; null when it is an http(s) address that holds no secret.</summary>
    internal static string? FindUrlFault(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0
            ? url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0 ? "must hold no user, '?' or '#'" : null
            : "must be an address such as https://runs.example.com";
}
