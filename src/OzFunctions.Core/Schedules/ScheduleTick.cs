using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Json;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Schedules;

/// <summary>
/// Starts what is due (protocol T6): one conditional write decides which times are started, their runs are submitted under keys made of schedule and time,
/// and a second write notes it. Killed anywhere, the next tick of any process finishes it; nothing starts twice.
/// </summary>
/// <remarks>With nothing due it costs one listing: schedules are read when their ETag is new, and kept.</remarks>
public sealed partial class ScheduleTick(OzPorts ports, ScheduleStore schedules, RunRecords records, RunIntake intake, ILogger<ScheduleTick> logger)
{
    /// <summary>A schedule that is further ahead than this was moved by a clock that was wrong; less is a clock that was put right.</summary>
    private static readonly TimeSpan MayBeAhead = TimeSpan.FromHours(1);

    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>From when on the configuration's schedules count in this process.</summary>
    private readonly Dictionary<string, DateTimeOffset> _registered = new(StringComparer.Ordinal);

    private readonly HashSet<string> _named = new(StringComparer.Ordinal);

    /// <summary>The store's clock when it was last read.</summary>
    private DateTimeOffset _looked;

    public async Task TickAsync(CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken);
        var now = schedules.Now();

        // Of two clocks that disagree, only what is ahead of both was put there by a third that was wrong.
        var latest = _looked > now ? _looked : now;
        List<string> due = [.. _known.Where(known => known.Value.IsDue(now, latest)).Select(known => known.Key)];
        foreach (var name in due)
        {
            await SafelyAsync(name, () => GoOnAsync(_known[name], now, latest, cancellationToken));
        }
    }

    /// <summary>Reads what changed since the last tick, and brings the configuration's schedules into the store.</summary>
    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var there = new Dictionary<string, ETag>(StringComparer.Ordinal);
        await foreach (var entry in ports.Blobs.ListAllAsync(ScheduleStore.Prefix, cancellationToken))
        {
            if (ScheduleStore.FindName(entry.Name) is { } name)
            {
                there[name] = entry.ETag;
                _looked = entry.AsOf ?? _looked;
            }
        }

        foreach (var name in _known.Keys.Where(name => !there.ContainsKey(name)).ToList())
        {
            _known.Remove(name);
            _registered.Remove(name);
        }

        foreach (var (name, etag) in there)
        {
            if (!_known.TryGetValue(name, out var known) || known.ETag != etag)
            {
                if (!await SafelyAsync(name, async () => Remember(name, await schedules.ReadAsync(name, cancellationToken))))
                {
                    // Unreadable until it changes. A read that an outage or a stop ended says nothing: the next tick reads again.
                    _known[name] = new(etag, null, null, null);
                }
            }
        }

        foreach (var schedule in schedules.Configured.Where(schedule => !_registered.ContainsKey(schedule.Name)))
        {
            await SafelyAsync(schedule.Name, () => RegisterAsync(schedule, cancellationToken));
        }
    }

    /// <summary>Once in each process: where hosts with other configurations tick too, each goes by its own, and none undoes the other's.</summary>
    private async Task RegisterAsync(ConfiguredSchedule schedule, CancellationToken cancellationToken)
    {
        var known = _known.GetValueOrDefault(schedule.Name);
        if (known is { Stored: null })
        {
            return;
        }

        if (known is { Stored.Record.Source: ScheduleSource.Api })
        {
            throw new InvalidOperationException("the configuration has a schedule of this name, and one was made by the API before; delete that one, or choose another name. The configuration's is not started.");
        }

        if (await schedules.TryRegisterAsync(schedule, known?.Stored, cancellationToken) is { } registered)
        {
            _registered[schedule.Name] = registered.Record.Since;
            Remember(schedule.Name, registered);
        }
    }

    private void Remember(string name, StoredSchedule? stored)
    {
        if (stored is null)
        {
            _known.Remove(name);
            return;
        }

        var effective = stored.Record;
        if (effective.Source == ScheduleSource.File)
        {
            // Another host may have stored the times of its own configuration; here this process's count, from when it first saw them.
            effective = _registered.TryGetValue(name, out var since) ? effective with { Definition = schedules.Configured.First(own => own.Name == name).Definition, Since = since } : null;
        }

        _known[name] = new(stored.ETag, stored, effective, effective?.FindNext());
    }

    private async Task GoOnAsync(Known known, DateTimeOffset now, DateTimeOffset latest, CancellationToken cancellationToken)
    {
        var (stored, schedule) = (known.Stored!, known.Effective!);
        var name = schedule.Name;
        if (IsAhead(schedule, latest))
        {
            await PutBackAsync(stored, schedule, latest, cancellationToken);
            return;
        }

        if (schedule.Pending.Count == 0)
        {
            if (await DecideAsync(schedule, now, cancellationToken) is not { } due)
            {
                return;
            }

            var decided = stored.Record with { Decided = due.Decided, Pending = due.Start, LastSkipped = due.Skipped ?? stored.Record.LastSkipped };
            var written = await schedules.TryReplaceAsync(stored, decided, cancellationToken);
            Remember(name, written);
            if (written is null)
            {
                // Another process decided, or somebody changed it: the next tick sees what.
                return;
            }

            if (due.Skipped is { } skipped)
            {
                LeftOut(name, skipped.Count, skipped.Reason);
            }
        }

        if (_known[name].Effective is { IsActive: true, Pending.Count: > 0 } pending)
        {
            await StartAsync(pending, now, cancellationToken);
        }
    }

    /// <summary>A schedule that a wrong clock made, changed, resumed or decided would start nothing until that time has come.</summary>
    private async Task PutBackAsync(StoredSchedule stored, ScheduleRecord schedule, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var name = schedule.Name;
        if (_registered.TryGetValue(name, out var since) && since > now)
        {
            _registered[name] = now;
        }

        var record = stored.Record;
        if (!IsAhead(record, now))
        {
            // Another process put it back already; only what this one remembered was ahead.
            Remember(name, stored);
            return;
        }

        var error = new ScheduleError(now, $"A host whose clock was wrong had put this schedule ahead to {TimeText.Format(schedule.From)}; it goes on from now.");
        var next = record with { Since = Earlier(record.Since)!.Value, ResumedAt = Earlier(record.ResumedAt), Decided = Earlier(record.Decided), LastRun = AsAskedFor(record.LastRun), LastError = error };
        if (await schedules.TryReplaceAsync(stored, next, cancellationToken) is { } written)
        {
            WasAhead(name, error.Message);
            Remember(name, written);
        }
        else
        {
            // Somebody else was first: the next tick sees what became of it.
            Remember(name, null);
        }

        DateTimeOffset? Earlier(DateTimeOffset? time) => time > now ? now : time;

        // A time that is to come would be the latest until then: 'overlap: skip' would look at this run and at none that is started now.
        ScheduledRun? AsAskedFor(ScheduledRun? run) => run is null ? null : run with { At = Earlier(run.At)!.Value, Instant = run.Instant > now ? null : run.Instant };
    }

    private static bool IsAhead(ScheduleRecord schedule, DateTimeOffset now) => schedule.From > now + MayBeAhead;

    private async Task<DueTimes?> DecideAsync(ScheduleRecord schedule, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!CronExpression.TryParse(schedule.Definition.Cron, out var cron, out var fault))
        {
            throw new InvalidOperationException($"cron '{schedule.Definition.Cron}' {fault}");
        }

        var zone = TimeZoneInfo.FindSystemTimeZoneById(schedule.Definition.TimeZone);
        var alive = schedule.Definition.Overlap == ScheduleOverlap.Skip && schedule.LastRun is { } last && await IsAliveAsync(last.RunId, cancellationToken);
        return DueTimes.Find(schedule, cron, zone, alive, now);
    }

    private async Task<bool> IsAliveAsync(RunId runId, CancellationToken cancellationToken)
    {
        try
        {
            return await records.FindAsync(runId, cancellationToken) is { } run && !run.Record.State.IsTerminal();
        }
        catch (UnreadableRecordException)
        {
            // Nobody can tell; rather one run less than two at once.
            return true;
        }
    }

    private async Task StartAsync(ScheduleRecord schedule, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var done = new List<DateTimeOffset>();
        ScheduledRun? last = null;
        SkippedRun? skipped = null;
        ScheduleError? error = null;
        foreach (var instant in schedule.Pending)
        {
            try
            {
                var answer = await intake.SubmitAsync(Submission(schedule, instant), cancellationToken);
                last = new(answer.Run.RunId, now, instant);
                done.Add(instant);
                Started(schedule.Name, answer.Run.RunId, instant);
                ports.Probe.Passed(ProtocolStep.T6, answer.Run.RunId);
            }
            catch (Exception ex) when (ex is not (OperationCanceledException or BlobStoreException { IsTransient: true }))
            {
                error = new(now, ex.Message);
                if (now - instant <= (schedule.Definition.MissedWindow > DueTimes.OnTime ? schedule.Definition.MissedWindow : DueTimes.OnTime))
                {
                    break;
                }

                skipped = new(now, instant, (skipped?.Count ?? 0) + 1, "could not be started in time: " + ex.Message);
                done.Add(instant);
            }
        }

        if (done.Count == 0 && error?.Message == schedule.LastError?.Message)
        {
            return;
        }

        if (error is not null)
        {
            NotStarted(schedule.Name, error.Message);
        }

        // The next look reads it back.
        await schedules.ChangeAsync(
            schedule.Name,
            there => there with
            {
                Pending = [.. there.Pending.Except(done)],
                LastRun = last is null || there.LastRun?.Instant > last.Instant ? there.LastRun : last,
                LastSkipped = skipped ?? there.LastSkipped,
                LastError = error,
            },
            cancellationToken);
    }

    private static RunSubmission Submission(ScheduleRecord schedule, DateTimeOffset instant)
    {
        var text = TimeText.Format(instant);
        return new()
        {
            Request = ScheduleStore.RequestOf(schedule),
            Trigger = new() { Kind = TriggerKind.Schedule, Name = schedule.Name, DeliveryId = text },
            Key = IntakeKeys.Schedule(schedule.Name, text),
            AskedBy = schedule.CreatedBy,
        };
    }

    /// <summary>What is wrong with one schedule is its own: the others go on, and the answer is false. An outage ends the tick.</summary>
    private async Task<bool> SafelyAsync(string name, Func<Task> action)
    {
        try
        {
            await action();
            return true;
        }
        catch (Exception ex) when (ex is not (OperationCanceledException or BlobStoreException { IsTransient: true }))
        {
            if (_named.Add($"{name}: {ex.Message}"))
            {
                Skipped(name, ex.Message);
            }

            return false;
        }
    }

    [LoggerMessage(LogLevel.Information, "Schedule {Schedule} started run {RunId} for {Instant}")]
    private partial void Started(string schedule, RunId runId, DateTimeOffset instant);

    [LoggerMessage(LogLevel.Warning, "Schedule {Schedule} left out {Count}: {Reason}")]
    private partial void LeftOut(string schedule, int count, string reason);

    [LoggerMessage(LogLevel.Warning, "Schedule {Schedule} could not start its run and tries again: {Problem}")]
    private partial void NotStarted(string schedule, string problem);

    [LoggerMessage(LogLevel.Warning, "Schedule {Schedule}: {Problem}")]
    private partial void WasAhead(string schedule, string problem);

    [LoggerMessage(LogLevel.Error, "Schedule {Schedule} is skipped: {Problem}")]
    private partial void Skipped(string schedule, string problem);

    /// <summary>A schedule as this process last saw it.</summary>
    /// <param name="Stored">As it stands in the store; null: unreadable.</param>
    /// <param name="Effective">With the definition that counts here; null: it is not this process's to start.</param>
    private sealed record Known(ETag ETag, StoredSchedule? Stored, ScheduleRecord? Effective, DateTimeOffset? Next)
    {
        public bool IsDue(DateTimeOffset now, DateTimeOffset latest) =>
            Effective is { IsActive: true } schedule && (Next <= now || schedule.Pending.Count > 0 || IsAhead(schedule, latest));
    }
}
