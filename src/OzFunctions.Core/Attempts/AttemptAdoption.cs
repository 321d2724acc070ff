using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using OzFunctions.Backends;
using OzFunctions.Dispatch;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Attempts;

/// <summary>A1 and A2: takes over the attempts of hosts on this machine that are gone; their directories' free locks say so.</summary>
internal sealed partial class AttemptAdoption(
    OzPorts ports, RunRecords records, EventNotices notices, UnownedRuns unowned, ConcurrencyLocks locks, IRunBackend backend, WorkerOptions options, ILogger<AttemptAdoption> logger)
{
    private const int AtOnce = 8;
    private readonly ConcurrentDictionary<string, bool> _named = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Task> _discards = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _perhapsMine = new(StringComparer.Ordinal);
    private readonly DiscardPauses _pauses = new(ports.Time);
    private readonly OtherWorkersDirectories _others = new(options.WorkerId, ports.Time);

    /// <summary>The removal of directories that are nobody's: it takes as long as their teardown, for which neither adoption nor a claim waits. Never fails.</summary>
    public Task Discards => Task.WhenAll(_discards.Values);

    /// <summary>
    /// Whether a record may name this host as the owner of what it does not carry on: A2 was sent and not answered, or what follows it failed, and no later round has seen to
    /// it. Such a host leaves its heartbeat when it ends, for others would take one that is absent for dead at once, while the agent may live.
    /// </summary>
    public bool LeavesRuns => !_perhapsMine.IsEmpty;

    /// <summary>Runs that this host goes on with. The heartbeat is sent after the locks were got (A2).</summary>
    /// <param name="presence">Of this host.</param>
    /// <param name="detach">Ends <see cref="Discards"/> within moments; the next host goes on with them.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public async IAsyncEnumerable<AdoptedAttempt> AdoptAsync(HostPresence presence, CancellationToken detach, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directories = TakeThoseDue();
        if (directories.Count == 0)
        {
            yield break;
        }

        var beaten = await presence.TryBeatAsync(cancellationToken);
        if (!beaten)
        {
            foreach (var directory in directories)
            {
                directory.Dispose();
            }

            yield break;
        }

        // Several at a time: each costs a durable write or a round trip to the store, and none waits for another.
        var nobodys = new ConcurrentQueue<(IAttemptDirectory Directory, StoredRun? Run)>();
        foreach (var group in directories.Chunk(AtOnce))
        {
            var tried = group.Select(async directory =>
            {
                AdoptedAttempt? adopted = null;
                await SafelyAsync(
                    directory,
                    async () =>
                    {
                        adopted = await TryAdoptAsync(directory, presence, nobodys, cancellationToken);
                        _perhapsMine.TryRemove(directory.Name, out _);
                    },
                    detach);
                return adopted;
            }).ToList();
            foreach (var adopted in (await Task.WhenAll(tried)).OfType<AdoptedAttempt>())
            {
                yield return adopted;
            }
        }

        foreach (var (directory, run) in nobodys)
        {
            _discards[directory.Name] = DiscardAsync(directory, run, detach);
        }
    }

    /// <summary>
    /// Without those that could not be removed a moment ago, for a process that nobody can end is not asked to every few seconds; and without those that are another worker's,
    /// as far as is known.
    /// </summary>
    private IReadOnlyList<IAttemptDirectory> TakeThoseDue()
    {
        var there = new HashSet<string>(StringComparer.Ordinal);
        var taken = backend.TakeAbandonedDirectories(ports.StoreId, (name, intent) =>
        {
            there.Add(name);
            return _pauses.IsDue(name) && _others.IsDue(name, intent);
        });
        _others.KeepOnly(there);
        return taken;
    }

    private async Task DiscardAsync(IAttemptDirectory directory, StoredRun? run, CancellationToken detach)
    {
        var name = directory.Name;
        await Task.Yield();
        await SafelyAsync(directory, () => DiscardOrPauseAsync(directory, run, detach), detach);
        _discards.TryRemove(name, out _);
    }

    private async Task DiscardOrPauseAsync(IAttemptDirectory directory, StoredRun? run, CancellationToken detach)
    {
        var name = directory.Name;
        try
        {
            await directory.DiscardAsync(detach);
        }
        catch (Exception ex) when (ex is not OperationCanceledException || !detach.IsCancellationRequested)
        {
            // Whatever it is, it may be there the next time too: told once, and tried less and less often.
            var isFirst = _pauses.Note(name);
            directory.Dispose();
            if (isFirst)
            {
                NotDiscarded(name, ex);
            }

            return;
        }

        if (_pauses.TryForget(name))
        {
            DiscardedAtLast(name);
        }

        await PutRightAsync(run, detach);
    }

    /// <summary>One directory's fault must not keep the others locked and unattended.</summary>
    private async Task SafelyAsync(IAttemptDirectory directory, Func<Task> action, CancellationToken detach)
    {
        try
        {
            await action();
        }
        catch (Exception ex)
        {
            // Not known whose it is: the lock goes back and the next round looks again.
            directory.Dispose();
            if (ex is OperationCanceledException && detach.IsCancellationRequested)
            {
                return;
            }

            if (ex is not UnreadableRecordException || _named.TryAdd(directory.Name, true))
            {
                NotAdopted(directory.Name, ex);
            }
        }
    }

    private async Task<AdoptedAttempt?> TryAdoptAsync(
        IAttemptDirectory directory, HostPresence presence, ConcurrentQueue<(IAttemptDirectory Directory, StoredRun? Run)> nobodys, CancellationToken cancellationToken)
    {
        if (directory.Intent is not { } intent)
        {
            directory.Delete();
            return null;
        }

        ports.Probe.Passed(ProtocolStep.A1, intent.RunId);
        var shared = options.SharedKey is { } key && directory.FindSharedWorkspace() == key ? key : null;
        var terminal = false;
        var outdated = false;
        var others = false;
        var update = await records.UpdateAsync(
            intent.RunId,
            null,
            record =>
            {
                (terminal, outdated, others) = (false, false, false);
                if (record.State == RunState.Queued && record.Attempt == intent.Attempt - 1)
                {
                    // The dead host's C5 may still be on its way; it finds another version now, and the directory may go.
                    outdated = true;
                    return RecordDecision.Write(record);
                }

                if (record.Attempt != intent.Attempt || record.Owner?.Dir != directory.Name)
                {
                    return RecordDecision.Refuse;
                }

                if (record.State.IsTerminal())
                {
                    terminal = true;
                    return RecordDecision.Refuse;
                }

                if (record.WorkerId != options.WorkerId && record.Trigger.Kind != TriggerKind.Exec)
                {
                    // Another agent, account and secrets than this host's: its own worker's next host goes on with it, or T4 ends it after the lease. Of an exec run nothing is started.
                    others = true;
                    return RecordDecision.Refuse;
                }

                // Until all of it was answered.
                _perhapsMine[directory.Name] = true;
                return record.Owner.HostId == presence.HostId
                    ? RecordDecision.Done
                    : RecordDecision.Write(record with
                    {
                        Owner = new(presence.HostId, record.Fence + 1, directory.Name),
                        Attempts = [.. record.Attempts.Select(attempt => attempt.Attempt == record.Attempt ? TakenOver(record, attempt, presence, shared) : attempt)],
                    });
            },
            cancellationToken);

        if (terminal)
        {
            return new(new(ports, records, notices, presence, update.Run!, directory, adopted: true), Settled: update.Run!);
        }

        if (others)
        {
            directory.Dispose();
            if (_others.Note(directory.Name))
            {
                LeftToItsWorker(intent.RunId, update.Run!.Record.WorkerId);
            }

            return null;
        }

        if (outdated || !update.IsDone)
        {
            // C4 before C5, fenced, or requeued: nobody's attempt any more.
            if (!_pauses.Knows(directory.Name))
            {
                Discarded(intent.RunId, intent.Attempt, directory.Name);
            }

            nobodys.Enqueue((directory, update.Run));
            return null;
        }

        ports.Probe.Passed(ProtocolStep.A2, intent.RunId);
        await HoldDirectoryAsync(update.Run!.Record, shared, cancellationToken);
        presence.Add(intent.RunId);
        var attempt = new OwnedAttempt(ports, records, notices, presence, update.Run!, directory, adopted: true);
        if (attempt.Record.Cancel is not null)
        {
            // It was signalled to the host that is gone.
            attempt.Order(StopOrder.Cancel);
        }
        else if (attempt.Record.Trigger.Kind == TriggerKind.Exec)
        {
            // The terminal it was for is gone: what is left of it is settled, and nothing is started.
            attempt.Order(StopOrder.Lease);
        }

        return new(attempt, Settled: null);
    }

    /// <summary>A version that gave runs of one directory no key of it began the attempt: it has one from now on.</summary>
    private static AttemptRecord TakenOver(RunRecord record, AttemptRecord attempt, HostPresence presence, string? shared) => attempt with
    {
        HostId = presence.HostId,
        ConcurrencyKey = record.Request.ConcurrencyKey is null && record.Trigger.Kind != TriggerKind.Exec ? attempt.ConcurrencyKey ?? shared : attempt.ConcurrencyKey,
    };

    /// <summary>
    /// Who works in a shared directory holds its key, also beyond the room there is: its agent is at work there, and those that come wait for it. What is only claimed takes
    /// the key before it goes on, as any claim (A3).
    /// </summary>
    private async Task HoldDirectoryAsync(RunRecord record, string? shared, CancellationToken cancellationToken)
    {
        if (shared is null || record.State != RunState.InProgress || record.ConcurrencyKey != shared || record.Request.ConcurrencyKey is not null)
        {
            return;
        }

        if (!await locks.TryTakeAsync(record, shared, options.RoomPerKey, cancellationToken))
        {
            await locks.TryTakeAsync(record, shared, int.MaxValue, cancellationToken);
            BesideOthers(record.RunId, shared);
        }
    }

    /// <summary>A run that was requeued by the dead host may lack its entry; the tick would find it a minute later.</summary>
    private async Task PutRightAsync(StoredRun? run, CancellationToken cancellationToken)
    {
        if (run is { Record.State: RunState.Queued })
        {
            await unowned.PutBackAsync(run.Record, cancellationToken);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Attempt directory {Directory} could not be looked at; the next round tries again")]
    private partial void NotAdopted(string directory, Exception exception);

    [LoggerMessage(LogLevel.Warning, "What a host that is gone left in attempt directory {Directory} could not be ended and removed; it is tried again, less and less often and at last every hour, and 'ozf doctor' names it")]
    private partial void NotDiscarded(string directory, Exception exception);

    [LoggerMessage(LogLevel.Information, "What was left in attempt directory {Directory} is ended and removed now")]
    private partial void DiscardedAtLast(string directory);

    [LoggerMessage(LogLevel.Information, "Run {RunId} of worker '{WorkerId}', whose host is gone, is left to that worker's next host, or to the end of its lease")]
    private partial void LeftToItsWorker(RunId runId, string workerId);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} goes on in {Directory}, in which other runs work as well: it was started without the directory's key")]
    private partial void BesideOthers(RunId runId, string directory);

    [LoggerMessage(LogLevel.Information, "Run {RunId} attempt {Attempt}: directory {Directory} of a host that is gone belongs to nobody and is removed")]
    private partial void Discarded(RunId runId, int attempt, string directory);
}

/// <summary>An attempt taken over. <see cref="Settled"/>: its record is terminal already and only S8 to S11 are owed.</summary>
internal sealed record AdoptedAttempt(OwnedAttempt Attempt, StoredRun? Settled);
