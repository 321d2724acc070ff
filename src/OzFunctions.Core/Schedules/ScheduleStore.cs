using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Json;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Schedules;

/// <summary>Schedules by name: those that the API made, and what the store knows of those in the configuration.</summary>
public sealed partial class ScheduleStore(OzPorts ports, RunIntake intake, IReadOnlyList<ConfiguredSchedule> configured, ILogger<ScheduleStore> logger)
{
    internal const string Prefix = "schedules/";
    private const string Suffix = ".json";
    private const int MostTries = 20;

    private readonly Dictionary<string, ConfiguredSchedule> _configured = configured.ToDictionary(schedule => schedule.Name, StringComparer.Ordinal);

    public IReadOnlyCollection<ConfiguredSchedule> Configured => _configured.Values;

    /// <summary>Whether this process's configuration holds the schedule.</summary>
    public bool IsConfigured(string name) => _configured.ContainsKey(name);

    /// <summary>Whether it starts runs, and if not, why.</summary>
    public ScheduleState StateOf(ScheduleRecord schedule) => schedule switch
    {
        { Source: ScheduleSource.File } when !IsConfigured(schedule.Name) => ScheduleState.NotConfigured,
        { Definition.Enabled: false } => ScheduleState.Off,
        { Paused: true } => ScheduleState.Paused,
        _ => ScheduleState.Active,
    };

    /// <summary>In order of names, those of the configuration too that no host has seen yet.</summary>
    /// <param name="unreadable">Told of each that cannot be read; the others are listed all the same.</param>
    public async IAsyncEnumerable<ScheduleRecord> ListAsync(Action<string, ScheduleException>? unreadable, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var names = new SortedSet<string>(_configured.Keys, StringComparer.Ordinal);
        await foreach (var entry in ports.Blobs.ListAllAsync(Prefix, cancellationToken))
        {
            if (FindName(entry.Name) is { } name)
            {
                names.Add(name);
            }
        }

        foreach (var name in names)
        {
            ScheduleRecord? schedule = null;
            try
            {
                schedule = await FindAsync(name, cancellationToken);
            }
            catch (ScheduleException ex)
            {
                unreadable?.Invoke(name, ex);
            }

            if (schedule is not null)
            {
                yield return schedule;
            }
        }
    }

    /// <summary>Null: there is none of this name.</summary>
    /// <exception cref="ScheduleException">What stands there cannot be read.</exception>
    public async Task<ScheduleRecord?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await ReadAsync(name, cancellationToken))?.Record is { } stored ? AsConfigured(stored) : _configured.TryGetValue(name, out var schedule) ? New(schedule) : null;

    /// <exception cref="ScheduleException">There is none of this name.</exception>
    public async Task<ScheduleRecord> GetAsync(string name, CancellationToken cancellationToken) =>
        await FindAsync(name, cancellationToken) ?? throw ScheduleException.NotFound(name);

    /// <summary>Makes a schedule; the same definition again answers the first, so that a client may repeat a call whose answer was lost.</summary>
    /// <exception cref="ScheduleException">The definition is not valid, or the name is taken.</exception>
    public async Task<ScheduleRecord> CreateAsync(string name, ScheduleDefinition definition, bool paused, string? by, CancellationToken cancellationToken)
    {
        Check(name, definition);
        if (IsConfigured(name))
        {
            throw ScheduleException.ReadOnly(name);
        }

        var now = Now();
        var schedule = new ScheduleRecord
        {
            Name = name,
            Source = ScheduleSource.Api,
            Definition = definition with { Enabled = true },
            Paused = paused,
            CreatedAt = now,
            CreatedBy = by,
            UpdatedAt = now,
            Since = now,
        };
        if (await TryCreateAsync(schedule, cancellationToken) is not null)
        {
            return schedule;
        }

        var there = await GetAsync(name, cancellationToken);
        return there.Source == ScheduleSource.Api && there.Paused == paused && Same(there.Definition, schedule.Definition) ? there : throw ScheduleException.Taken(name);
    }

    /// <summary>Replaces the definition. New times count from now on; what was started goes on, what was decided of the old ones and not started is dropped.</summary>
    /// <param name="paused">Null: as it was.</param>
    public Task<ScheduleRecord> UpdateAsync(string name, ScheduleDefinition definition, bool? paused, string? by, CancellationToken cancellationToken)
    {
        Check(name, definition);
        return ChangeAsync(
            name,
            there =>
            {
                RefuseConfigured(there);
                var next = Redefine(there, definition with { Enabled = true }, by);
                return paused is not { } pause || pause == there.Paused ? next : Switch(next, pause);
            },
            cancellationToken);
    }

    /// <summary>Starts nothing until it is resumed; what is decided and not started is dropped.</summary>
    public Task<ScheduleRecord> PauseAsync(string name, string? by, CancellationToken cancellationToken) => ChangeAsync(
        name,
        there => there.Paused ? there : Switch(there, paused: true) with { UpdatedAt = Now(), UpdatedBy = by },
        cancellationToken);

    /// <summary>Goes on from now; times that came while it was paused are not missed.</summary>
    public Task<ScheduleRecord> ResumeAsync(string name, string? by, CancellationToken cancellationToken) => ChangeAsync(
        name,
        there => !there.Definition.Enabled ? throw ScheduleException.Off(name)
            : !there.Paused ? there
            : Switch(there, paused: false) with { UpdatedAt = Now(), UpdatedBy = by },
        cancellationToken);

    /// <summary>Removes it, also when nobody can read it; its runs stay.</summary>
    /// <exception cref="ScheduleException">There is none of this name, or the configuration here holds it.</exception>
    public async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var there = await FindBlobAsync(name, cancellationToken);
            if (IsConfigured(name) && (there is null || !MayGo(name, there)))
            {
                throw ScheduleException.ReadOnly(name);
            }

            if (there is null)
            {
                throw ScheduleException.NotFound(name);
            }

            if (await ports.Blobs.TryDeleteAsync(BlobName(name), there.ETag, cancellationToken))
            {
                return;
            }
        }

        throw Restless(name);
    }

    /// <summary>Starts a run now, paused or not, beside the schedule's own times.</summary>
    /// <param name="key">A repeat with the same key answers the first run; null: every call starts one.</param>
    public async Task<IntakeAnswer> RunNowAsync(string name, string? key, string? by, CancellationToken cancellationToken)
    {
        var schedule = await GetAsync(name, cancellationToken);
        var now = Now();
        var answer = await intake.SubmitAsync(
            new()
            {
                Request = RequestOf(schedule),
                Trigger = new() { Kind = TriggerKind.Schedule, Name = name },
                Key = key is null ? null : $"{IntakeKeys.Schedule(name, "now")}:{key}",
                AskedBy = by,
            },
            cancellationToken);

        try
        {
            // A repeat answers a run that may be long over: the latest stays the one that 'overlap: skip' looks at. Noted all the same when the first call could not.
            await ChangeAsync(
                name,
                there => answer.Created || there.LastRun is not { } last || answer.Run.CreatedAt > last.At && answer.Run.RunId != last.RunId
                    ? there with { LastRun = new(answer.Run.RunId, answer.Created ? now : answer.Run.CreatedAt), LastError = null }
                    : there,
                cancellationToken);
        }
        catch (Exception ex) when (ex is BlobStoreException or ScheduleException)
        {
            // The run is there: a caller who was told otherwise would start another.
            NotNoted(answer.Run.RunId, name, ex);
        }

        return answer;
    }

    /// <summary>The request of one run. Runs that may not overlap share a concurrency key, so that none of them is claimed beside another.</summary>
    internal static Requests.RunRequest RequestOf(ScheduleRecord schedule)
    {
        var (definition, request) = (schedule.Definition, schedule.Definition.Request);
        return definition.Overlap == ScheduleOverlap.Allow || request.ConcurrencyKey is not null ? request : request with { ConcurrencyKey = $"schedule:{schedule.Name}" };
    }

    /// <summary>Brings a schedule of the configuration into the store; answers what stands there, or null when somebody was faster.</summary>
    internal async Task<StoredSchedule?> TryRegisterAsync(ConfiguredSchedule schedule, StoredSchedule? there, CancellationToken cancellationToken)
    {
        if (there is null)
        {
            var made = New(schedule);
            return await TryCreateAsync(made, cancellationToken) is { } created ? new(made, created) : null;
        }

        if (there.Record.Source != ScheduleSource.File || Same(there.Record.Definition, schedule.Definition))
        {
            return there;
        }

        return await TryReplaceAsync(there, AsConfigured(there.Record), cancellationToken);
    }

    /// <exception cref="ScheduleException">What stands there cannot be read.</exception>
    internal async Task<StoredSchedule?> ReadAsync(string name, CancellationToken cancellationToken) =>
        await FindBlobAsync(name, cancellationToken) is { } blob ? Parse(name, blob) : null;

    internal async Task<StoredSchedule?> TryReplaceAsync(StoredSchedule there, ScheduleRecord next, CancellationToken cancellationToken) =>
        await ports.Blobs.TryReplaceAsync(BlobName(there.Record.Name), Write(next), null, there.ETag, cancellationToken) is { } etag ? new(next, etag) : null;

    /// <summary>Reads, changes and writes until nobody came in between. A schedule of the configuration that no host has seen yet is made first.</summary>
    /// <exception cref="ScheduleException">There is none of this name.</exception>
    internal async Task<ScheduleRecord> ChangeAsync(string name, Func<ScheduleRecord, ScheduleRecord> change, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var there = await ReadAsync(name, cancellationToken);
            if (there is null)
            {
                if (!_configured.TryGetValue(name, out var schedule))
                {
                    throw ScheduleException.NotFound(name);
                }

                there = await TryRegisterAsync(schedule, null, cancellationToken);
                if (there is null)
                {
                    continue;
                }
            }

            var next = change(there.Record);
            if (ReferenceEquals(next, there.Record) || await TryReplaceAsync(there, next, cancellationToken) is not null)
            {
                return next;
            }
        }

        throw Restless(name);
    }

    internal static string? FindName(string blob) => blob.EndsWith(Suffix, StringComparison.Ordinal) ? blob[Prefix.Length..^Suffix.Length] : null;

    internal DateTimeOffset Now() => ports.Time.GetWireTime();

    private static string BlobName(string name) => Prefix + name + Suffix;

    private async Task<Blob?> FindBlobAsync(string name, CancellationToken cancellationToken) =>
        ScheduleRules.FindNameFault(name) is null ? await ports.Blobs.FindAsync(BlobName(name), cancellationToken) : null;

    /// <summary>Of a name in the configuration: what the API made, and what nobody can read. What a newer version wrote holds what it knows, such as a pause.</summary>
    private static bool MayGo(string name, Blob blob)
    {
        try
        {
            return Parse(name, blob).Record.Source == ScheduleSource.Api;
        }
        catch (ScheduleException ex) when (ex.Refusal == ScheduleRefusal.Broken)
        {
            return true;
        }
    }

    private static StoredSchedule Parse(string name, Blob blob)
    {
        if (StoredSchema.Find(blob.Content) > ScheduleRecord.CurrentSchema)
        {
            throw ScheduleException.Newer(name);
        }

        try
        {
            return new(JsonSerializer.Deserialize(blob.Content.Span, ScheduleJson.Wire.ScheduleRecord) ?? throw ScheduleException.Broken(name, null), blob.ETag);
        }
        catch (Exception ex) when (ex is JsonException or InvalidOperationException)
        {
            throw ScheduleException.Broken(name, ex);
        }
    }

    private static byte[] Write(ScheduleRecord schedule) => JsonSerializer.SerializeToUtf8Bytes(schedule, ScheduleJson.Wire.ScheduleRecord);

    private static bool HasOtherTimes(ScheduleDefinition one, ScheduleDefinition other) => one.Cron != other.Cron || one.TimeZone != other.TimeZone || one.Enabled != other.Enabled;

    /// <summary>By their JSON: requests hold lists and dictionaries.</summary>
    private static bool Same(ScheduleDefinition one, ScheduleDefinition other) =>
        JsonSerializer.Serialize(one, ScheduleJson.Wire.ScheduleDefinition) == JsonSerializer.Serialize(other, ScheduleJson.Wire.ScheduleDefinition);

    private ScheduleRecord Switch(ScheduleRecord there, bool paused) => paused ? there with { Paused = true, Pending = [] } : there with { Paused = false, ResumedAt = Now() };

    private static BlobStoreException Restless(string name) => new($"Schedule '{name}' changed again and again while it was to be written; try again.", isTransient: true, null);

    private static void Check(string name, ScheduleDefinition definition)
    {
        if (ScheduleRules.Check(name, definition) is { Count: > 0 } faults)
        {
            throw ScheduleException.Invalid(faults);
        }
    }

    private static void RefuseConfigured(ScheduleRecord there)
    {
        if (there.Source == ScheduleSource.File)
        {
            throw ScheduleException.ReadOnly(there.Name);
        }
    }

    private async Task<ETag?> TryCreateAsync(ScheduleRecord schedule, CancellationToken cancellationToken) =>
        await ports.Blobs.TryCreateAsync(BlobName(schedule.Name), Write(schedule), null, cancellationToken);

    private ScheduleRecord New(ConfiguredSchedule schedule) => new()
    {
        Name = schedule.Name,
        Source = ScheduleSource.File,
        Definition = schedule.Definition,
        CreatedAt = Now(),
        UpdatedAt = Now(),
        Since = Now(),
    };

    /// <summary>What is stored, with the definition that this process's configuration gives it.</summary>
    private ScheduleRecord AsConfigured(ScheduleRecord stored)
    {
        if (stored.Source != ScheduleSource.File || !_configured.TryGetValue(stored.Name, out var schedule) || Same(stored.Definition, schedule.Definition))
        {
            return stored;
        }

        return Redefine(stored, schedule.Definition, by: null);
    }

    private ScheduleRecord Redefine(ScheduleRecord there, ScheduleDefinition definition, string? by)
    {
        var next = there with { Definition = definition, UpdatedAt = Now(), UpdatedBy = by };
        return HasOtherTimes(there.Definition, definition) ? next with { Since = Now(), Pending = [] } : next;
    }

    [LoggerMessage(LogLevel.Warning, "Run {RunId} of schedule {Schedule} is accepted and could not be noted as its latest")]
    private partial void NotNoted(RunId runId, string schedule, Exception exception);
}
