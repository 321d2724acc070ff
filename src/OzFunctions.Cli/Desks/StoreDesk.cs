using System.Text;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.DeadLetters;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Logs;
using OzFunctions.Queues;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Desks;

/// <summary>The desk over the store that this call works on.</summary>
/// <param name="ozf">Completes a command that is named to people.</param>
internal sealed class StoreDesk(OpenStore store, Surroundings surroundings, Action<string> warn, Func<string, string> ozf) : IRunDesk
{
    private readonly OzCore _core = store.Core;

    public string Place => "this store";

    public Task<SubmitAnswer> SubmitAsync(RunRequest request, string? traceparent, CancellationToken cancellationToken) => SubmitAsync(
        new RunSubmission { Request = request, Trigger = Trigger, Key = IntakeKeys.Cli(request.IdempotencyKey), AskedBy = User, Traceparent = traceparent }, cancellationToken);

    public Task<SubmitAnswer> RetryAsync(RunRecord finished, CancellationToken cancellationToken) => SubmitAsync(
        new RunSubmission { Request = finished.Request.ToRepeat(finished.WorkerId, surroundings.Time.GetUtcNow()), Trigger = Trigger, AskedBy = User, RetryOf = finished.RunId }, cancellationToken);

    public Task<RunListPage> ListAsync(RunWish wish, ListCursor from, int most, CancellationToken cancellationToken) => new RunListing(_core.Records).ListAsync(
        from,
        most,
        int.MaxValue,
        (runs, _) => Task.FromResult<IReadOnlyList<RunSummary>>([.. runs.Where(wish.Fits)]),
        unreadable => warn(unreadable.Message),
        cancellationToken);

    public async Task<RunRecord?> FindAsync(RunId runId, CancellationToken cancellationToken) => (await _core.Records.FindAsync(runId, cancellationToken))?.Record;

    public async Task<ReadOnlyMemory<byte>?> FindStoredAsync(RunId runId, CancellationToken cancellationToken) =>
        (await _core.Ports.Blobs.FindAsync(RunBlobs.Record(runId), cancellationToken))?.Content;

    public IAsyncEnumerable<LogChunk> ReadLogAsync(RunId runId, int? attempt, bool follow, CancellationToken cancellationToken) =>
        new RunLogs(_core.Ports.Blobs, _core.Ports.Time).ReadRawAsync(RunLogQuery.Of(_core.Records, runId, follow) with { Attempt = attempt }, cancellationToken);

    public Task<ArtifactManifest> ReadManifestAsync(RunId runId, int attempt, CancellationToken cancellationToken) =>
        ArtifactManifests.ReadAsync(_core.Ports.Blobs, runId, attempt, cancellationToken);

    public Task<Uri?> FindArtifactLinkAsync(RunId runId, int attempt, string path, TimeSpan lifetime, CancellationToken cancellationToken) =>
        _core.Ports.Blobs.FindReadLinkAsync(RunBlobs.Artifact(runId, attempt, path), lifetime, cancellationToken);

    public Task<Stream?> OpenArtifactAsync(RunId runId, int attempt, string path, CancellationToken cancellationToken) =>
        _core.Ports.Blobs.OpenReadAsync(RunBlobs.Artifact(runId, attempt, path), 0, null, cancellationToken);

    public Task<CancelAnswer> CancelAsync(RunId runId, string? reason, CancellationToken cancellationToken) => _core.Cancels.CancelAsync(runId, By, reason, cancellationToken);

    public async Task<IReadOnlyList<CancelledRun>> CancelAllAsync(string? workerId, string? reason, CancellationToken cancellationToken)
    {
        var answers = await _core.Cancels.CancelAllAsync(workerId, By, reason, broken => warn(broken.Message), cancellationToken);
        return [.. answers.Select(answer => new CancelledRun(answer.Run!.RunId, answer.Result, answer.Run.State))];
    }

    public Task<WorkerList> ListWorkersAsync(CancellationToken cancellationToken) => WorkerList.ReadAsync(_core, cancellationToken);

    public Task<bool> SetPausedAsync(string workerId, bool paused, CancellationToken cancellationToken) => _core.Workers.SetPausedAsync(workerId, paused, cancellationToken);

    public async Task<IReadOnlyList<DeadLetter>> ListDeadLettersAsync(CancellationToken cancellationToken) => await _core.DeadLetters.ListAsync(cancellationToken).ToListAsync(cancellationToken);

    public Task<DeadLetter?> FindDeadLetterAsync(string id, CancellationToken cancellationToken) => _core.DeadLetters.FindAsync(id, cancellationToken);

    public async Task RequeueAsync(DeadLetter letter, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken)
    {
        // Sent first: a crash in between leaves the letter, never neither.
        await store.Requests.RequeueAsync(letter.Id, body ?? Encoding.UTF8.GetBytes(letter.Body), cancellationToken);
        await _core.DeadLetters.TryRemoveAsync(letter.Id, cancellationToken);
    }

    public Task RemoveDeadLetterAsync(DeadLetter letter, CancellationToken cancellationToken) => _core.DeadLetters.TryRemoveAsync(letter.Id, cancellationToken);

    public ValueTask DisposeAsync() => store.DisposeAsync();

    private static RunTrigger Trigger => new() { Kind = TriggerKind.Cli };

    private string? User => surroundings.Variable("USER");

    private string By => User is { } user ? $"{user} (ozf)" : "ozf";

    private async Task<SubmitAnswer> SubmitAsync(RunSubmission submission, CancellationToken cancellationToken)
    {
        var answer = await _core.Intake.SubmitAsync(submission, cancellationToken);
        return new(answer.Run.RunId, answer.Created, answer.RequestDiffers, answer.Run.State.IsTerminal() ? null : await WarningAsync(answer.Run.WorkerId, cancellationToken));
    }

    private async Task<string?> WarningAsync(string workerId, CancellationToken cancellationToken)
    {
        try
        {
            var (hosts, paused) = await WorkerList.ReadAsync(_core, cancellationToken);
            return !hosts.Any(host => host.Alive && host.Heartbeat.WorkerId == workerId) ? $"no live host serves worker '{workerId}'; the run waits for one ({ozf($"worker --worker-id {ShellWord.Quote(workerId)}")})."
                : paused.Contains(workerId) ? $"worker '{workerId}' is paused; the run waits ({ozf($"workers resume {ShellWord.Quote(workerId)}")})."
                : null;
        }
        catch (BlobStoreException)
        {
            // The run is accepted: a store that fails now must not make the call look refused.
            return null;
        }
    }
}
