using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Json;

namespace OzFunctions.Runs;

/// <summary>The one place that reads and writes run records: conditionally, and knowing its own write again when the answer to it was lost.</summary>
public sealed class RunRecords(IBlobStore blobs, TimeProvider time)
{
    /// <summary>So many writers in a row got in between: something is broken, and turning for ever would hide it.</summary>
    private const int MostTries = 50;

    /// <summary>Null when there is no record. Throws <see cref="UnreadableRecordException"/> when something else stands there: that is not "no record".</summary>
    public async Task<StoredRun?> FindAsync(RunId runId, CancellationToken cancellationToken) =>
        await blobs.FindAsync(RunBlobs.Record(runId), cancellationToken) is { } blob ? Read(runId, blob) : null;

    /// <summary>Whether a record stands there, also one that nobody can read.</summary>
    public async Task<bool> ExistsAsync(RunId runId, CancellationToken cancellationToken) =>
        await blobs.FindEntryAsync(RunBlobs.Record(runId), cancellationToken) is not null;

    /// <summary>Creates the record. False: one is there that is not this very one.</summary>
    /// <param name="unique">Nobody else can write these very bytes, so that finding them means that the answer to my own write was lost.</param>
    public async Task<bool> TryCreateAsync(RunRecord record, CancellationToken cancellationToken, bool unique = true)
    {
        var content = Write(record);
        if (await blobs.TryCreateAsync(RunBlobs.Record(record.RunId), content, RunMetadata.Of(record), cancellationToken) is not null)
        {
            return true;
        }

        if (!unique)
        {
            return false;
        }

        var there = await blobs.FindAsync(RunBlobs.Record(record.RunId), cancellationToken);
        return there is not null && there.Content.Span.SequenceEqual(content);
    }

    /// <summary>
    /// Reads, decides, writes with the ETag read; when another writer was first, reads and decides again. The decision sees its own earlier write
    /// whose answer was lost and must know it (<see cref="RecordDecision.Done"/>).
    /// </summary>
    /// <param name="known">Where to start; null: read first.</param>
    public async Task<RecordUpdate> UpdateAsync(
        RunId runId, StoredRun? known, Func<RunRecord, RecordDecision> decide, CancellationToken cancellationToken)
    {
        var current = known;
        for (var tries = 0; tries < MostTries; tries++)
        {
            current ??= await FindAsync(runId, cancellationToken);
            if (current is null)
            {
                return new(RecordAnswer.Absent, null);
            }

            var decision = decide(current.Record);
            if (decision.Next is null)
            {
                return new(decision.IsDone ? RecordAnswer.Done : RecordAnswer.Refused, current);
            }

            if (await TryReplaceAsync(current, decision.Next, cancellationToken) is { } written)
            {
                return new(RecordAnswer.Done, written);
            }

            current = null;
        }

        throw new BlobStoreException($"The record of run {runId} changed {MostTries} times while it was to be written.", isTransient: true, null);
    }

    /// <summary>One conditional write; null: refused, somebody else was first.</summary>
    public async Task<StoredRun?> TryReplaceAsync(StoredRun known, RunRecord next, CancellationToken cancellationToken)
    {
        next = next with { UpdatedAt = Now() };
        var content = Write(next);
        var name = RunBlobs.Record(next.RunId);
        if (await blobs.TryReplaceAsync(name, content, RunMetadata.Of(next), known.ETag, cancellationToken) is { } etag)
        {
            return new(next, etag);
        }

        // An answer may be lost: what stands there may be this very write.
        var there = await blobs.FindAsync(name, cancellationToken);
        return there is not null && there.Content.Span.SequenceEqual(content) ? new(next, there.ETag) : null;
    }

    /// <summary>
    /// After this answers, no write of an older version can land any more: one whose answer never came may still be on its way, and would find the version that it
    /// expects. A run that waits is written anew, as it is; any other has another version than the one it waited with.
    /// </summary>
    public async Task<StoredRun?> OutdateAsync(RunId runId, CancellationToken cancellationToken) =>
        (await UpdateAsync(runId, null, record => record.State == RunState.Queued ? RecordDecision.Write(record) : RecordDecision.Done, cancellationToken)).Run;

    /// <summary>Removes the record as it was read; false: somebody wrote it since. For <see cref="Retention.RunRemoval"/>, the last step of forgetting a run.</summary>
    internal Task<bool> TryRemoveAsync(StoredRun known, CancellationToken cancellationToken) =>
        blobs.TryDeleteAsync(RunBlobs.Record(known.Record.RunId), known.ETag, cancellationToken);

    /// <summary>A page of runs, newest first. A record that nobody can read is named to <paramref name="unreadable"/> and left out.</summary>
    public async Task<RunPage> ListAsync(
        string? continuation, int most, Action<UnreadableRecordException>? unreadable, CancellationToken cancellationToken)
    {
        var page = await blobs.ListAsync(RunBlobs.RecordPrefix, continuation, most, cancellationToken);
        var runs = new List<RunSummary>(page.Entries.Count);
        foreach (var entry in page.Entries)
        {
            if (!RunBlobs.TryParseRecord(entry.Name, out var runId))
            {
                continue;
            }

            if (entry.Metadata is { } metadata && RunSummary.From(runId, metadata) is { } summary)
            {
                runs.Add(summary);
                continue;
            }

            try
            {
                if (await FindAsync(runId, cancellationToken) is { } stored)
                {
                    runs.Add(RunSummary.Of(stored.Record));
                }
            }
            catch (UnreadableRecordException ex)
            {
                unreadable?.Invoke(ex);
            }
        }

        return new(runs, page.Continuation);
    }

    internal static bool TryRead(ReadOnlyMemory<byte> content, [NotNullWhen(true)] out RunRecord? record, out string problem)
    {
        record = null;
        problem = "";
        try
        {
            record = JsonSerializer.Deserialize(content.Span, RunJson.Wire.RunRecord);
            problem = record switch
            {
                null => "it is empty",
                { Schema: > RunRecord.CurrentSchema } => $"it has schema {record.Schema}, this version reads up to {RunRecord.CurrentSchema}: upgrade ozf",
                { Schema: < 1 } => $"its schema {record.Schema} does not exist",
                _ when record.State.IsOwned() && record.Owner is null => $"it is {record.State.Text()} without an owner",
                _ when record.Attempt < 0 || record.Starts < 0 => "its counters are negative",
                _ => "",
            };
        }
        catch (JsonException) when (StoredSchema.Find(content) is > RunRecord.CurrentSchema and var schema)
        {
            // A newer record need not have what this version insists on.
            problem = $"it has schema {schema}, this version reads up to {RunRecord.CurrentSchema}: upgrade ozf";
        }
        catch (JsonException ex)
        {
            problem = $"it is not a run record ({(ex.Path is null ? "" : ex.Path + ": ")}line {ex.LineNumber + 1})";
        }

        if (problem.Length > 0)
        {
            record = null;
        }

        return record is not null;
    }

    private static StoredRun Read(RunId runId, Blob blob)
    {
        if (!TryRead(blob.Content, out var record, out var problem))
        {
            throw new UnreadableRecordException(runId, blob.Name, problem);
        }

        return record.RunId == runId ? new(record, blob.ETag) : throw new UnreadableRecordException(runId, blob.Name, $"it is about run {record.RunId}");
    }

    private static byte[] Write(RunRecord record) => JsonSerializer.SerializeToUtf8Bytes(record, RunJson.Wire.RunRecord);

    /// <summary>Milliseconds, as on the wire: what is written reads back equal.</summary>
    private DateTimeOffset Now() => time.GetWireTime();
}

/// <summary>A record with the version it was read at.</summary>
public sealed record StoredRun(RunRecord Record, ETag ETag);

/// <summary>A page of a list of runs.</summary>
public sealed record RunPage(IReadOnlyList<RunSummary> Runs, string? Continuation);

/// <summary>What to do with a record that was read.</summary>
public readonly record struct RecordDecision
{
    private RecordDecision(RunRecord? next, bool done) => (Next, IsDone) = (next, done);

    public RunRecord? Next { get; }

    public bool IsDone { get; }

    /// <summary>What was wanted stands there already.</summary>
    public static RecordDecision Done => new(null, true);

    /// <summary>It may not be written any more.</summary>
    public static RecordDecision Refuse => new(null, false);

    public static RecordDecision Write(RunRecord next) => new(next, true);
}

/// <summary>What became of an update.</summary>
public enum RecordAnswer
{
    Done,
    Refused,
    Absent,
}

/// <summary>Answer of an update with the record as it stands.</summary>
public sealed record RecordUpdate(RecordAnswer Answer, StoredRun? Run)
{
    public bool IsDone => Answer == RecordAnswer.Done;
}

/// <summary>Something stands where a record should, and nobody can read it; the run is skipped and left for a person.</summary>
public sealed class UnreadableRecordException(RunId runId, string name, string problem)
    : Exception($"The record of run {runId} cannot be read: {problem}. It was left as it is: {name}")
{
    public RunId RunId { get; } = runId;
}
