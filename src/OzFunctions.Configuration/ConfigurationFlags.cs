using OzFunctions.Requests;

namespace OzFunctions.Configuration;

/// <summary>What the command line says about the configuration (facts B1). Null means not given, and so does an empty text of a flag of the vendor's: start scripts write <c>--worker-id "$ID"</c>.</summary>
internal sealed record ConfigurationFlags
{
    public string? WorkerId { get; init => field = Given(value); }

    public string? Backend { get; init => field = Given(value); }

    public string? TargetDir { get; init => field = Given(value); }

    /// <summary>Can only turn cleanup off (facts B1.7).</summary>
    public bool NoCleanup { get; init; }

    /// <summary>0 means not given, a negative number no limit (facts B1.10).</summary>
    public int? MaxConcurrentTasks { get; init; }

    public string? IdleOnComplete { get; init => field = Given(value); }

    /// <summary><c>KEY=VALUE</c>, or <c>KEY</c> for the host's variable; a comma is part of the value.</summary>
    public IReadOnlyList<string> Env { get; init; } = [];

    /// <summary>Known so that they are refused with a way out (facts B1.8).</summary>
    public IReadOnlyList<string> Volumes { get; init; } = [];

    public string? Data { get; init; }

    /// <summary>Only known so that it is masked.</summary>
    public string? ApiKey { get; init => field = Given(value); }

    /// <summary>Names no value: one may be a key.</summary>
    public override string ToString() => nameof(ConfigurationFlags);

    /// <summary>Flags over file over defaults; environments are overlaid by name.</summary>
    public ConfigurationResult Apply(OzfConfiguration configuration)
    {
        var faults = new List<ConfigurationFault>();
        var origins = new Dictionary<string, ConfigurationOrigin>(configuration.Origins, StringComparer.Ordinal);
        if (Backend is not (null or "direct"))
        {
            Fault("--backend", Backend, "only 'direct' is there: this product runs agents on the host itself; for docker and kubernetes use the vendor's oz-agent-worker");
        }

        if (WorkerId is not null && WorkerIdRule.FindFault(WorkerId) is { } workerFault)
        {
            Fault("--worker-id", WorkerId, workerFault);
        }

        if (Volumes.Count > 0)
        {
            Fault("--volumes", Volumes[0], "volumes belong to containers, and this product runs agents on the host itself, where they see its files: leave it out (for containers use the vendor's oz-agent-worker)");
        }

        var idle = configuration.IdleOnComplete;
        if (IdleOnComplete is not null && !HumanDuration.TryParse(IdleOnComplete, out idle))
        {
            Fault("--idle-on-complete", IdleOnComplete, $"must be {HumanDuration.Rule}");
        }

        var environment = Overlay(configuration.Direct.Environment, Fault);
        Note("worker_id", WorkerId is not null);
        Note("cleanup", NoCleanup);
        Note("max_concurrent_tasks", MaxConcurrentTasks is not (null or 0));
        Note("idle_on_complete", IdleOnComplete is not null);
        Note("data", Data is not null);
        Note("backend.direct.target_dir", TargetDir is not null);
        Note("backend.direct.environment", Env.Count > 0);
        return faults.Count > 0 ? new ConfigurationResult(null, faults) : new ConfigurationResult(
            configuration with
            {
                WorkerId = WorkerId ?? configuration.WorkerId,
                Cleanup = configuration.Cleanup && !NoCleanup,
                MaxConcurrentTasks = MaxConcurrentTasks is { } tasks and not 0 ? Math.Max(0, tasks) : configuration.MaxConcurrentTasks,
                IdleOnComplete = idle,
                Data = Data ?? configuration.Data,
                Direct = configuration.Direct with { TargetDir = TargetDir ?? configuration.Direct.TargetDir, Environment = environment },
                Origins = origins,
            },
            []);

        void Fault(string flag, string? value, string rule) => faults.Add(new ConfigurationFault(flag, value is null ? null : FaultValue.Shorten(value), rule));

        void Note(string key, bool given)
        {
            if (given)
            {
                origins[key] = ConfigurationOrigin.Flag;
            }
        }
    }

    private static string? Given(string? text) => text is { Length: > 0 } ? text : null;

    private List<EnvironmentSetting> Overlay(IReadOnlyList<EnvironmentSetting> fromFile, Action<string, string?, string> fault)
    {
        var merged = fromFile.ToList();
        foreach (var entry in Env)
        {
            var equals = entry.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? entry : entry[..equals];
            if (DirectReader.FindNameFault(name) is { } rule)
            {
                // The name only: the value may be a secret.
                fault("--env", name, rule);
                continue;
            }

            if (entry.Contains('\0', StringComparison.Ordinal))
            {
                fault("--env", name, "must not hold a NUL character");
                continue;
            }

            var setting = new EnvironmentSetting(name, equals < 0 ? null : entry[(equals + 1)..]);
            var at = merged.FindIndex(known => known.Name == name);
            if (at < 0)
            {
                merged.Add(setting);
            }
            else
            {
                merged[at] = setting;
            }
        }

        return merged;
    }
}
