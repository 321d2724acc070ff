using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using OzFunctions.Attempts;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Dispatch;

/// <summary>C1 to C7: takes waiting runs for this host, in claim order.</summary>
internal sealed partial class RunClaims(
    OzPorts ports,
    RunRecords records,
    DispatchIndex index,
    ConcurrencyLocks locks,
    RunEnding ending,
    UnownedRuns unowned,
    EventOutbox outbox,
    RunCancels cancels,
    EventNotices notices,
    IRunBackend backend,
    WorkerOptions options,
    ILogger<RunClaims> logger)
{
    private const int PageSize = 100;
    private const int MostEntries = 1000;
    private static readonly TimeSpan BlockedFor = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, long> _blockedKeys = new(StringComparer.Ordinal);
    private readonly HashSet<RunId> _unreadable = [];

    /// <summary>Claims run by run while the caller asks for more. A host has written a heartbeat before it comes here.</summary>
    /// <param name="presence">Of this host.</param>
    /// <param name="rung">A run that the bell rang for: its record is read while the listing is under way, which still says whose turn it is.</param>
    /// <param name="mayClaim">Asked for every run after it came, so that a pause from before that is seen; and beside the read of its record, so that no claim waits for it.</param>
    /// <param name="leave">Breaks off what is begun of a claim, as a kill would.</param>
    /// <param name="cancellationToken">Ends the search; what is begun of a claim is brought to its end.</param>
    public async IAsyncEnumerable<OwnedAttempt> ClaimAsync(
        HostPresence presence, RunId? rung, Func<CancellationToken, Task<bool>> mayClaim, CancellationToken leave, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var early = rung is { } runId ? LookEarly(runId, mayClaim, cancellationToken) : null;
        try
        {
            await foreach (var attempt in ClaimAsync(presence, early, mayClaim, leave, cancellationToken))
            {
                yield return attempt;
            }
        }
        finally
        {
            await (early is null ? Task.CompletedTask : early.EndAsync());
        }
    }

    private async IAsyncEnumerable<OwnedAttempt> ClaimAsync(
        HostPresence presence, EarlyLook? early, Func<CancellationToken, Task<bool>> mayClaim, CancellationToken leave, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var (key, since) in _blockedKeys.Where(blocked => ports.Time.GetElapsedTime(blocked.Value) >= BlockedFor))
        {
            _blockedKeys.TryRemove(new(key, since));
        }

        string? continuation = null;
        var seen = 0;
        do
        {
            var page = await ports.Blobs.ListAsync(ReadyEntry.PrefixOf(options.WorkerId), continuation, PageSize, cancellationToken);
            foreach (var blob in page.Entries)
            {
                if (!ReadyEntry.TryParse(blob.Name, out var entry) || IsBlocked(entry))
                {
                    continue;
                }

                // Good for the first in the line only: a claim takes its time, in which the worker may be paused.
                var its = early?.RunId == entry.RunId ? early : new(entry.RunId, Task.FromResult<StoredRun?>(null), mayClaim(cancellationToken), Task.FromResult<IAttemptDirectory?>(null));
                early = null;
                if (await TryClaimSafelyAsync(entry, its, presence, leave, cancellationToken) is { } attempt)
                {
                    yield return attempt;
                }
                else if (!await its.MayClaim)
                {
                    yield break;
                }
            }

            seen += page.Entries.Count;
            continuation = page.Continuation;
        }
        while (continuation is not null && seen < MostEntries);
    }

    /// <summary>A record, or a holder's record, that is nonsense must not keep the runs behind it waiting. Faults of the store and the disk are everybody's.</summary>
    private async Task<OwnedAttempt?> TryClaimSafelyAsync(ReadyEntry entry, EarlyLook early, HostPresence presence, CancellationToken leave, CancellationToken cancellationToken)
    {
        try
        {
            return await TryClaimAsync(entry, early, presence, leave, cancellationToken);
        }
        catch (Exception ex) when (ex is not (OperationCanceledException or BlobStoreException or IOException or UnauthorizedAccessException))
        {
            if (_unreadable.Add(entry.RunId))
            {
                Skipped(entry.RunId, ex.Message, ex is UnreadableRecordException ? null : ex);
            }

            return null;
        }
    }

    private async Task<OwnedAttempt?> TryClaimAsync(ReadyEntry entry, EarlyLook early, HostPresence presence, CancellationToken leave, CancellationToken cancellationToken)
    {
        var finding = FindClaimableAsync(entry, early.Record, cancellationToken);
        await Task.WhenAll(finding, early.MayClaim);
        if (await finding is not { } run || !await early.MayClaim)
        {
            return null;
        }

        if (KeyOf(run.Record) is { } key && await IsKeyTakenAsync(entry, run, key, cancellationToken))
        {
            return null;
        }

        var intent = IntentOf(run.Record);
        var directory = await early.TakeDirectoryAsync(intent) ?? backend.CreateDirectory(intent);

        // From here on a claim is brought to its end: a stop in the middle would leave a run that nobody here carries on.
        ports.Probe.Passed(ProtocolStep.C4, entry.RunId);
        presence.Add(entry.RunId);
        OwnedAttempt? attempt = null;
        var answered = false;
        try
        {
            var owned = await TryOwnAsync(run, presence.HostId, directory.Name, leave);
            answered = true;
            if (owned is null)
            {
                return null;
            }

            ports.Probe.Passed(ProtocolStep.C5, entry.RunId);
            var mine = new OwnedAttempt(ports, records, notices, presence, owned, directory, adopted: false);
            if (!await TryHoldKeyAsync(mine, leave))
            {
                Block(entry);
                mine.Dispose();
                return null;
            }

            ports.Probe.Passed(ProtocolStep.C6, entry.RunId);
            mine.Unlisting = UnlistAsync(entry, leave);
            return attempt = mine;
        }
        finally
        {
            if (attempt is null)
            {
                // Not claimed, given back, or the store failed in between: a claim that stands after all is found by its directory's free lock (A1).
                presence.Remove(entry.RunId);
                await DropAsync(directory, entry.RunId, answered, leave);
            }
        }
    }

    /// <summary>C7. The attempt goes on meanwhile: all that an entry left standing costs is a look at the record by whoever lists it (C3).</summary>
    private async Task UnlistAsync(ReadyEntry entry, CancellationToken leave)
    {
        try
        {
            await index.RemoveAsync(entry.Name, leave);
            ports.Probe.Passed(ProtocolStep.C7, entry.RunId);
        }
        catch (Exception ex) when (ex is BlobStoreException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            // Left standing, as said above.
        }
    }

    private EarlyLook LookEarly(RunId runId, Func<CancellationToken, Task<bool>> mayClaim, CancellationToken cancellationToken)
    {
        var (record, allowed) = (FindEarlyAsync(runId, cancellationToken), mayClaim(cancellationToken));
        return new(runId, record, allowed, PrepareEarlyAsync(record, allowed));
    }

    /// <summary>
    /// C4 of a run that may be claimed as far as can be told: made durable while the listing is still under way. Null: left to its turn. A host that is killed here leaves
    /// what it leaves after C4, a directory of a QUEUED run.
    /// </summary>
    private async Task<IAttemptDirectory?> PrepareEarlyAsync(Task<StoredRun?> finding, Task<bool> mayClaim)
    {
        try
        {
            return await finding is { Record: { State: RunState.Queued, RetryAt: null } record } && KeyOf(record) is null && await mayClaim ? backend.CreateDirectory(IntentOf(record)) : null;
        }
        catch (Exception ex) when (ex is BlobStoreException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            return null;
        }
    }

    private AttemptIntent IntentOf(RunRecord record) => new() { Store = ports.StoreId, RunId = record.RunId, Attempt = record.Attempt + 1, WorkerId = record.WorkerId };

    /// <summary>The record of a run that the bell rang for. Null also where it cannot be had now: the turn of its entry tells why.</summary>
    private async Task<StoredRun?> FindEarlyAsync(RunId runId, CancellationToken cancellationToken)
    {
        try
        {
            return await records.FindAsync(runId, cancellationToken);
        }
        catch (Exception ex) when (ex is BlobStoreException or UnreadableRecordException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>C3: a QUEUED record that may be claimed now; anything else is put right and null.</summary>
    private async Task<StoredRun?> FindClaimableAsync(ReadyEntry entry, Task<StoredRun?> early, CancellationToken cancellationToken)
    {
        // Read before the listing was answered, it may be older than its entry: good for a claim, which is conditional, but not to say that the entry is wrong.
        var run = await early is { Record: { State: RunState.Queued, RetryAt: null } } known && known.Record.RunId == entry.RunId ? known : await records.FindAsync(entry.RunId, cancellationToken);
        if (run is null || run.Record.State != RunState.Queued)
        {
            await index.RemoveAsync(entry.Name, cancellationToken);
            return null;
        }

        var record = run.Record;
        var now = ports.Time.GetUtcNow();
        if (record.Cancel is { } cancel)
        {
            await unowned.TryEndAsync(run, RunReason.TaskCancelled, RunEnding.CancelMessage(cancel), cancellationToken);
            return null;
        }

        if (record.Request.ExpiresAt <= now)
        {
            await unowned.TryEndAsync(run, RunReason.Expired, "It was not started by its expires_at.", cancellationToken);
            return null;
        }

        if (DispatchIndex.WaitsUntil(record) > now)
        {
            // An entry from before a retry was put off: the run waits in later/.
            await index.PutAsync(record, cancellationToken);
            await index.RemoveAsync(entry.Name, cancellationToken);
            return null;
        }

        return run;
    }

    /// <summary>C2: the lock is full of live holders.</summary>
    private async Task<bool> IsKeyTakenAsync(ReadyEntry entry, StoredRun run, string key, CancellationToken cancellationToken)
    {
        var holders = await locks.FindHoldersAsync(run.Record, key, cancellationToken);
        if (holders.Count < options.RoomPerKey)
        {
            return false;
        }

        // What shall become of others with the same key is asked of a key that the request has itself.
        switch (run.Record.Request.ConcurrencyKey is null ? null : run.Record.Request.OnConflict)
        {
            case ConflictRule.Skip:
                await unowned.TryEndAsync(run, RunReason.TaskCancelled, "Skipped: another run with the same concurrency key is live (on_conflict: skip).", cancellationToken);
                return true;
            case ConflictRule.CancelPrevious:
                foreach (var holder in holders)
                {
                    await cancels.CancelWhenOlderAsync(holder.RunId, run.Record, cancellationToken);
                }

                break;
        }

        if (run.Record.WaitingFor != WaitingFor.ConcurrencyKey)
        {
            // For people who ask why it waits; refused is fine, somebody else got further.
            await records.TryReplaceAsync(run, run.Record with { WaitingFor = WaitingFor.ConcurrencyKey }, cancellationToken);
        }

        Block(entry);
        return true;
    }

    /// <summary>C5.</summary>
    private async Task<StoredRun?> TryOwnAsync(StoredRun run, string hostId, string dir, CancellationToken cancellationToken)
    {
        var now = ports.Time.GetWireTime();
        var update = await records.UpdateAsync(
            run.Record.RunId,
            run,
            record =>
            {
                if (record.Owner?.Dir == dir)
                {
                    return RecordDecision.Done;
                }

                if (record.State != RunState.Queued || record.Cancel is not null || record.Attempt != run.Record.Attempt)
                {
                    return RecordDecision.Refuse;
                }

                var attempt = record.Attempt + 1;
                return RecordDecision.Write(record with
                {
                    State = RunState.Claimed,
                    Owner = new(hostId, record.Fence + 1, dir),
                    LastFence = null,
                    Attempt = attempt,
                    WaitingFor = null,
                    RetryAt = null,
                    Message = null,
                    Attempts = [.. record.Attempts, new() { Attempt = attempt, HostId = hostId, Host = options.Machine, ClaimedAt = now, ConcurrencyKey = record.Request.ConcurrencyKey is null ? options.SharedKey : null }],
                });
            },
            cancellationToken);
        return update.IsDone ? update.Run : null;
    }

    /// <summary>C6 of a CLAIMED run, also of an adopted one whose host may have been killed before it. False: no room, the run went back.</summary>
    public async Task<bool> TryHoldKeyAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        if (attempt.ConcurrencyKey is not { } key || await locks.TryTakeAsync(attempt.Record, key, options.RoomPerKey, cancellationToken))
        {
            return true;
        }

        await GiveBackAsync(attempt, cancellationToken);
        return false;
    }

    /// <summary>C6 without room: the record goes back, unless a cancel came meanwhile.</summary>
    private async Task GiveBackAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        var marker = await outbox.FindMarkerAsync(attempt.RunId, cancellationToken);
        var owed = await ending.OwedAsync(attempt.Record.WorkerId, cancellationToken);
        var written = await attempt.WriteAsync(
            record => RecordDecision.Write(record.Cancel is { } cancel
                ? ending.End(record, RunReason.TaskCancelled, RunEnding.CancelMessage(cancel), owed)
                : ending.GiveBack(record, WaitingFor.ConcurrencyKey)),
            cancellationToken);
        if (written?.Record.State.IsTerminal() == true)
        {
            await unowned.FinishAsync(written, marker, cancellationToken);
        }
        else if (written is not null)
        {
            // Whoever listed the run while it was claimed has deleted its entry (C3), and the tick would believe the last heartbeat of a claimer that is gone until its lease is over.
            try
            {
                await index.PutAsync(written.Record, cancellationToken);
            }
            catch (BlobStoreException)
            {
                // T3 puts it.
            }
        }
    }

    /// <param name="answered">C5 was answered. If not, it may still be on its way, and would make this host the owner by a directory that is gone.</param>
    private async Task DropAsync(IAttemptDirectory directory, RunId runId, bool answered, CancellationToken cancellationToken)
    {
        // Whether the claim stands decides what the directory is: A1 looks at it like at any other.
        try
        {
            var run = answered ? await records.FindAsync(runId, cancellationToken) : await records.OutdateAsync(runId, cancellationToken);
            if (run is { Record: var record } && record.State.IsOwned() && record.Owner!.Dir == directory.Name)
            {
                directory.Dispose();
                return;
            }

            directory.Delete();
        }
        catch (Exception ex) when (ex is BlobStoreException or UnreadableRecordException or OperationCanceledException or IOException)
        {
            directory.Dispose();
        }
    }

    private string? KeyOf(RunRecord record) => record.Request.ConcurrencyKey ?? options.SharedKey;

    private bool IsBlocked(ReadyEntry entry) => _blockedKeys.TryGetValue(BlockOf(entry), out var since) && ports.Time.GetElapsedTime(since) < BlockedFor;

    private void Block(ReadyEntry entry) => _blockedKeys[BlockOf(entry)] = ports.Time.GetTimestamp();

    private string BlockOf(ReadyEntry entry) => entry.HasKey || options.SharedKey is null ? entry.Key : ReadyEntry.KeyOf(options.SharedKey);

    /// <summary>A key came free on this host: its waiting runs need not sit out the pause.</summary>
    public void Unblock(string? concurrencyKey)
    {
        if (concurrencyKey is not null)
        {
            _blockedKeys.TryRemove(ReadyEntry.KeyOf(concurrencyKey), out _);
        }
    }

    [LoggerMessage(LogLevel.Error, "Run {RunId} is skipped: {Problem}")]
    private partial void Skipped(RunId runId, string problem, Exception? exception);

    /// <summary>What is asked and made of a run before its turn has come: its record, whether this host may claim, and its attempt directory.</summary>
    private sealed record EarlyLook(RunId RunId, Task<StoredRun?> Record, Task<bool> MayClaim, Task<IAttemptDirectory?> Directory)
    {
        private bool _taken;

        /// <summary>From now on the caller's; null: there is none for this.</summary>
        public async Task<IAttemptDirectory?> TakeDirectoryAsync(AttemptIntent intent)
        {
            var made = await Directory;
            _taken = made?.Intent == intent;
            return _taken ? made : null;
        }

        /// <summary>Nothing of it is under way any more; a directory that nobody took is gone.</summary>
        public async Task EndAsync()
        {
            await Task.WhenAll(Record, MayClaim, Directory).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_taken || !Directory.IsCompletedSuccessfully || await Directory is not { } made)
            {
                return;
            }

            try
            {
                made.Delete();
            }
            catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
            {
                // A1 finds it free, and of a run that has none.
                made.Dispose();
            }
        }
    }
}
