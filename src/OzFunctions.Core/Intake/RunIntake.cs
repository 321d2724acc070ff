using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Dispatch;
using OzFunctions.Json;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Settlement;
using OzFunctions.Telemetry;

namespace OzFunctions.Intake;

/// <summary>Turns a checked request into a durable run (protocol I2 to I6). Short, repeatable, and safe to kill anywhere.</summary>
public sealed partial class RunIntake(
    OzPorts ports, RunRecords records, DispatchIndex index, EventNotices notices, RunCancels cancels, IntakeOptions options, ILogger<RunIntake> logger)
{
    /// <summary>An answer to I4 that took longer than this finds its marker too old: it is written again (I4).</summary>
    private static readonly TimeSpan MarkerMayBe = TimeSpan.FromMinutes(5);

    /// <summary>A key comes and goes once in a day at most; who meets that again and again meets something else.</summary>
    private const int MostTries = 5;

    private readonly WaitingRuns _waiting = new(ports, records);

    public async Task<IntakeAnswer> SubmitAsync(RunSubmission submission, CancellationToken cancellationToken)
    {
        using var span = OzTelemetry.Start(OzTelemetry.SubmitSpan, System.Diagnostics.ActivityKind.Producer, submission.Traceparent);
        var workerId = submission.Request.WorkerId ?? options.DefaultWorkerId;
        var now = ports.Time.GetWireTime();
        var record = new RunRecord
        {
            RunId = RunId.Create(ports.Time),
            State = RunState.Queued,
            CreatedAt = now,
            UpdatedAt = now,
            WorkerId = workerId,
            Request = submission.Request,
            Trigger = submission.Trigger,
            AskedBy = submission.AskedBy,
            RetryOf = submission.RetryOf,
            Traceparent = span?.Id ?? submission.Traceparent ?? OzTelemetry.NewTraceparent(),
            KeySha256 = submission.Key is { } text ? RunBlobs.Hash(text) : null,
            WaitingFor = submission.Request.NotBefore > now ? WaitingFor.NotBefore : null,
        };

        using var place = new WaitingPlace(_waiting, record, options.MaxQueued, submission.MaxQueued);
        if (submission.Key is null)
        {
            await place.TakeAsync(cancellationToken);
            return place.Keep(await AcceptAsync(record, first: true, differs: false, cancellationToken));
        }

        var (first, mine, there) = await FindFirstAsync(submission.Key, record, place, cancellationToken);
        var differs = !mine && first.RequestSha256 != RequestHash.Of(submission.Request);
        if (there is not null)
        {
            return await RepeatAsync(there, differs, cancellationToken);
        }

        record = record with { RunId = first.RunId, CreatedAt = first.CreatedAt, Request = first.Request, WorkerId = first.Request.WorkerId ?? workerId };
        if (!mine && record.UpdatedAt <= first.CreatedAt)
        {
            // Whoever finishes another's intake writes other bytes than its first submitter, so that only one of them takes the record for its own.
            record = record with { UpdatedAt = first.CreatedAt + TimeSpan.FromMilliseconds(1) };
        }

        return place.Keep(await AcceptAsync(record, mine, differs, cancellationToken));
    }

    /// <param name="first">This submitter chose the run id; others of the same key may be under way with it.</param>
    private async Task<IntakeAnswer> AcceptAsync(RunRecord record, bool first, bool differs, CancellationToken cancellationToken)
    {
        await MarkAsync(record, cancellationToken);
        var (marked, markedAt) = (ports.Time.GetTimestamp(), ports.Time.GetUtcNow());
        ports.Probe.Passed(ProtocolStep.I3, record.RunId);

        if (!await records.TryCreateAsync(record, cancellationToken, unique: first))
        {
            // Somebody else finished the same key's intake between our look and our write.
            var there = await records.FindAsync(record.RunId, cancellationToken)
                ?? throw new BlobStoreException($"The record of run {record.RunId} was refused and is not there; try again.", isTransient: true, null);
            return await RepeatAsync(there.Record, differs, cancellationToken);
        }

        // A monotonic clock may stand still while the machine sleeps.
        if (ports.Time.GetElapsedTime(marked) > MarkerMayBe || ports.Time.GetUtcNow() - markedAt > MarkerMayBe)
        {
            await MarkAsync(record, cancellationToken);
        }

        ports.Probe.Passed(ProtocolStep.I4, record.RunId);
        await AnnounceAsync(record, cancellationToken);
        return new(record, Created: true, differs);
    }

    /// <summary>A repeat of a request whose run is there: its index entry is put again while it waits, and it is answered.</summary>
    private async Task<IntakeAnswer> RepeatAsync(RunRecord there, bool differs, CancellationToken cancellationToken)
    {
        if (there.State == RunState.Queued)
        {
            await MarkAsync(there, cancellationToken);
            await index.PutAsync(there, cancellationToken);
            await RingAsync(there, cancellationToken);
        }

        return new(there, Created: false, differs);
    }

    /// <summary>I3.</summary>
    private async Task MarkAsync(RunRecord record, CancellationToken cancellationToken)
    {
        await ports.Blobs.PutAsync(RunBlobs.Active(record.RunId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        if (record.Request.ExpiresAt is { } expires)
        {
            await index.PutExpiryAsync(record.RunId, expires, cancellationToken);
        }
    }

    /// <summary>I5, I6 and what is best effort after them. The run is accepted already: nothing here may take that back.</summary>
    private async Task AnnounceAsync(RunRecord record, CancellationToken cancellationToken)
    {
        if (record.Request is { OnConflict: ConflictRule.CancelPrevious, ConcurrencyKey: not null })
        {
            // Before a host can see this run: it would end the key's holder, and one of those that still wait would be claimed in its place.
            await AfterAcceptanceAsync(record, () => cancels.CancelQueuedBeforeAsync(record, cancellationToken));
        }

        await AfterAcceptanceAsync(
            record,
            async () =>
            {
                var ready = await index.PutAsync(record, cancellationToken);
                ports.Probe.Passed(ProtocolStep.I5, record.RunId);
                if (ready)
                {
                    await RingAsync(record, cancellationToken);
                    ports.Probe.Passed(ProtocolStep.I6, record.RunId);
                }
            });
        await AfterAcceptanceAsync(record, () => notices.QueuedAsync(record, cancellationToken));
    }

    private Task RingAsync(RunRecord record, CancellationToken cancellationToken) =>
        AfterAcceptanceAsync(record, () => ports.Bell.RingAsync(record.WorkerId, record.RunId, cancellationToken));

    private async Task AfterAcceptanceAsync(RunRecord record, Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            NotAnnounced(record.RunId, ex);
        }
    }

    /// <summary>I2 with what became of it: who came first, and its record where there is one.</summary>
    private async Task<(KeyBlob Key, bool Mine, RunRecord? There)> FindFirstAsync(string key, RunRecord record, WaitingPlace place, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (first, mine) = await TakeKeyAsync(key, record, place, cancellationToken);
            ports.Probe.Passed(ProtocolStep.I2, first.RunId);
            if (mine)
            {
                return (first, mine, null);
            }

            if (await records.FindAsync(first.RunId, cancellationToken) is { Record: var there })
            {
                return (first, mine, there);
            }

            // Retention takes a run's key before its record: one that still stands proves an intake that was not finished, and no run that has gone meanwhile.
            if (await ports.Blobs.FindAsync(RunBlobs.Key(RunBlobs.Hash(key)), cancellationToken) is { } still && KeyBlob.FindRun(still.Content) == first.RunId)
            {
                return (first, mine, null);
            }
        }

        throw new BlobStoreException($"The idempotency key of the request changed {MostTries} times while it was looked at.", isTransient: true, null);
    }

    /// <summary>I2: the first to create the key blob decides the run's id, creation time and request.</summary>
    private async Task<(KeyBlob Key, bool Mine)> TakeKeyAsync(string key, RunRecord record, WaitingPlace place, CancellationToken cancellationToken)
    {
        var name = RunBlobs.Key(RunBlobs.Hash(key));
        var wanted = new KeyBlob { RunId = record.RunId, CreatedAt = record.CreatedAt, RequestSha256 = RequestHash.Of(record.Request), Request = record.Request };
        var content = JsonSerializer.SerializeToUtf8Bytes(wanted, KeyJson.Default.KeyBlob);
        // Most keys are new: without a limit the first look is left out, and the refusal of the write tells.
        for (var look = place.IsLimited; ; look = true)
        {
            if (look && await ports.Blobs.FindAsync(name, cancellationToken) is { } blob)
            {
                var there = JsonSerializer.Deserialize(blob.Content.Span, KeyJson.Default.KeyBlob)
                    ?? throw new BlobStoreException($"The idempotency key's blob {name} is empty; delete it to accept the key anew.", isTransient: false, null);
                return (there, there.RunId == wanted.RunId);
            }

            // Only what is new is refused: a repeat gets its run also while the queue is full.
            await place.TakeAsync(cancellationToken);
            if (await ports.Blobs.TryCreateAsync(name, content, null, cancellationToken) is not null)
            {
                return (wanted, true);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "Run {RunId} is accepted, its announcement failed; the next tick repeats it")]
    private partial void NotAnnounced(RunId runId, Exception exception);
}

/// <summary>What intake needs of the configuration.</summary>
public sealed record IntakeOptions
{
    /// <summary>For requests that name no worker. Default <c>local</c>.</summary>
    public string DefaultWorkerId { get; init; } = "local";

    /// <summary>Most runs that may wait for one worker, ready or for a time ahead; null: no limit.</summary>
    public int? MaxQueued { get; init; }
}

/// <summary>Content of <c>keys/&lt;sha256&gt;.json</c>.</summary>
internal sealed record KeyBlob
{
    public required RunId RunId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string RequestSha256 { get; init; }

    public required RunRequest Request { get; init; }

    /// <summary>The run that a key leads to; null: nobody can read it.</summary>
    public static RunId? FindRun(ReadOnlyMemory<byte> content)
    {
        try
        {
            return JsonSerializer.Deserialize(content.Span, KeyJson.Default.KeyBlob)?.RunId;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(KeyBlob))]
internal sealed partial class KeyJson : JsonSerializerContext;
