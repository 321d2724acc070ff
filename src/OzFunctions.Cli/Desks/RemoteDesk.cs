using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Cancelling;
using OzFunctions.Cli.CommandLine;
using OzFunctions.DeadLetters;
using OzFunctions.Hosts;
using OzFunctions.Json;
using OzFunctions.Logs;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Cli.Desks;

/// <summary>The desk behind a front door elsewhere (<c>--server</c>).</summary>
internal sealed class RemoteDesk(RemoteCalls calls, TimeProvider time, Action<string> warn) : IRunDesk
{
    private const int MostAtOnce = 500;

    public string Place => calls.Address.ToString().TrimEnd('/');

    public async Task<SubmitAnswer> SubmitAsync(RunRequest request, string? traceparent, CancellationToken cancellationToken)
    {
        using var span = OzTelemetry.Start(OzTelemetry.CallSpan, ActivityKind.Client, traceparent);

        // With a key of its own the call can be repeated when its answer is lost.
        var own = request.IdempotencyKey is null ? "ozf-" + Guid.NewGuid().ToString("N") : null;
        var body = JsonSerializer.SerializeToUtf8Bytes(request, RunJson.Wire.RunRequest);
        var answer = ReadAnswer(await calls.SendAsync(HttpMethod.Post, "agent/runs", body, cancellationToken, own, span?.Id ?? traceparent) ?? throw CommandException.Usage($"{Place} takes no runs; is it an OzFunctions front door?"));
        return own is null ? answer : answer with { Created = true };
    }

    public async Task<SubmitAnswer> RetryAsync(RunRecord finished, CancellationToken cancellationToken) =>
        ReadAnswer(await calls.PostOnceAsync($"agent/runs/{finished.RunId}/retry", "{}"u8.ToArray(), cancellationToken) ?? throw CommandException.Usage($"run {finished.RunId} is not there any more."));

    public async Task<RunListPage> ListAsync(RunWish wish, ListCursor from, int most, CancellationToken cancellationToken)
    {
        var runs = new List<RunSummary>();
        ListCursor? next = from.Last is null ? null : from;
        do
        {
            var path = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"agent/runs?limit={Math.Min(most - runs.Count, MostAtOnce)}"));
            foreach (var state in wish.States)
            {
                path.Append(CultureInfo.InvariantCulture, $"&state={state}");
            }

            if (wish.WorkerId is { } worker)
            {
                path.Append("&worker_id=").Append(Uri.EscapeDataString(worker));
            }

            if (next is { } cursor)
            {
                path.Append("&cursor=").Append(cursor);
            }

            next = calls.Read(await calls.GetAsync(path.ToString(), cancellationToken), page =>
            {
                runs.AddRange(page.GetProperty("runs").EnumerateArray().Select(ReadSummary));
                return page.GetProperty("page_info").TryGetProperty("next_cursor", out var text) && ListCursor.TryParse(text.GetString(), out var onward) ? onward : (ListCursor?)null;
            });
        }
        while (next is not null && runs.Count < most);

        return new(runs, next);
    }

    public async Task<RunRecord?> FindAsync(RunId runId, CancellationToken cancellationToken) =>
        await calls.FindAsync($"agent/runs/{runId}", cancellationToken) is { } json ? calls.ReadRecord(json, RunRecord.CurrentSchema, RunJson.Wire.RunRecord) : null;

    public async Task<ReadOnlyMemory<byte>?> FindStoredAsync(RunId runId, CancellationToken cancellationToken) =>
        await calls.FindAsync($"agent/runs/{runId}", cancellationToken) is { } json ? Encoding.UTF8.GetBytes(json.GetRawText()) : null;

    public IAsyncEnumerable<LogChunk> ReadLogAsync(RunId runId, int? attempt, bool follow, CancellationToken cancellationToken) =>
        new RemoteLog(calls, time).ReadAsync(runId, attempt, follow, cancellationToken);

    public async Task<ArtifactManifest> ReadManifestAsync(RunId runId, int attempt, CancellationToken cancellationToken) => attempt == 0
        ? new() { Artifacts = [] }
        : calls.Read(await calls.GetAsync(string.Create(CultureInfo.InvariantCulture, $"agent/runs/{runId}/artifacts?attempt={attempt}"), cancellationToken), json => new ArtifactManifest
        {
            Artifacts = [.. json.GetProperty("artifacts").EnumerateArray().Select(entry => entry.Deserialize(RunJson.Wire.ArtifactEntry)!)],
        });

    public Task<Uri?> FindArtifactLinkAsync(RunId runId, int attempt, string path, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    public Task<Stream?> OpenArtifactAsync(RunId runId, int attempt, string path, CancellationToken cancellationToken)
    {
        var escaped = string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
        return calls.OpenContentAsync(string.Create(CultureInfo.InvariantCulture, $"agent/runs/{runId}/artifacts/{escaped}?attempt={attempt}"), cancellationToken);
    }

    public async Task<CancelAnswer> CancelAsync(RunId runId, string? reason, CancellationToken cancellationToken)
    {
        // The vendor's answers say no more than the id or 400: how the run stands shows which it was.
        if (await FindAsync(runId, cancellationToken) is not { } run)
        {
            return new(CancelResult.NotFound, null);
        }

        if (run.State.IsTerminal())
        {
            return new(CancelResult.AlreadyFinished, run);
        }

        try
        {
            await calls.PostAsync($"agent/runs/{runId}/cancel", Reason(reason), cancellationToken);
        }
        catch (CommandException) when (!cancellationToken.IsCancellationRequested)
        {
            // It may have ended between the look and the wish.
            if (await FindAsync(runId, cancellationToken) is { } ended && ended.State.IsTerminal())
            {
                return new(ended.State == RunState.Cancelled && ended.Cancel is not null ? CancelResult.Cancelled : CancelResult.AlreadyFinished, ended);
            }

            throw;
        }

        var now = await FindAsync(runId, cancellationToken) ?? run;
        return new(run.State == RunState.Queued && now.State == RunState.Cancelled ? CancelResult.Cancelled : CancelResult.Requested, now);
    }

    public async Task<IReadOnlyList<CancelledRun>> CancelAllAsync(string? workerId, string? reason, CancellationToken cancellationToken)
    {
        var repeated = false;
        var answer = await calls.PostAsync("agent/runs/cancel" + (workerId is null ? "" : "?worker_id=" + Uri.EscapeDataString(workerId)), Reason(reason), cancellationToken, () => repeated = true);
        if (repeated)
        {
            warn("an earlier try failed, perhaps only on its way back: it may have cancelled runs that are not listed here.");
        }

        return calls.Read<IReadOnlyList<CancelledRun>>(answer, json => [.. json.GetProperty("runs").EnumerateArray().Select(run => new CancelledRun(
            RunId.Parse(run.GetProperty("run_id").GetString()!),
            run.GetProperty("result").GetString() switch { "cancelled" => CancelResult.Cancelled, "requested" => CancelResult.Requested, _ => CancelResult.AlreadyFinished },
            StateOf(run)))]);
    }

    public async Task<WorkerList> ListWorkersAsync(CancellationToken cancellationToken) => calls.Read(await calls.GetAsync("workers", cancellationToken), WorkerList.Read);

    public async Task<bool> SetPausedAsync(string workerId, bool paused, CancellationToken cancellationToken)
    {
        var repeated = false;
        var answer = await calls.PostAsync($"workers/{Uri.EscapeDataString(workerId)}/{(paused ? "pause" : "resume")}", "{}"u8.ToArray(), cancellationToken, () => repeated = true);

        // "Already" would be untrue where an earlier try, whose answer was lost, did it.
        return calls.Read(answer, json => json.GetProperty("changed").GetBoolean()) || repeated;
    }

    public async Task<IReadOnlyList<DeadLetter>> ListDeadLettersAsync(CancellationToken cancellationToken)
    {
        var letters = new List<DeadLetter>();
        string? cursor = null;
        do
        {
            var answer = await calls.GetAsync("dead-letters" + (cursor is null ? "" : "?cursor=" + Uri.EscapeDataString(cursor)), cancellationToken);
            cursor = calls.Read(answer, json =>
            {
                letters.AddRange(json.GetProperty("dead_letters").EnumerateArray().Select(ReadLetter));
                return json.TryGetProperty("page_info", out var info) && info.TryGetProperty("next_cursor", out var next) ? next.GetString() : null;
            });
        }
        while (cursor is not null);

        return letters;
    }

    public async Task<DeadLetter?> FindDeadLetterAsync(string id, CancellationToken cancellationToken) =>
        await calls.FindAsync("dead-letters/" + Uri.EscapeDataString(id), cancellationToken) is { } json ? calls.Read(json, ReadLetter) : null;

    public async Task RequeueAsync(DeadLetter letter, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            if (body is { } other)
            {
                writer.WriteString("body", other.Span);
            }

            writer.WriteEndObject();
        }

        _ = await calls.PostOnceAsync($"dead-letters/{Uri.EscapeDataString(letter.Id)}/requeue", json.WrittenMemory, cancellationToken)
            ?? throw CommandException.Usage($"dead letter '{letter.Id}' is not there any more; nothing was put back.");
    }

    public Task RemoveDeadLetterAsync(DeadLetter letter, CancellationToken cancellationToken) =>
        calls.SendAsync(HttpMethod.Delete, "dead-letters/" + Uri.EscapeDataString(letter.Id), null, cancellationToken);

    public ValueTask DisposeAsync()
    {
        calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private static byte[] Reason(string? reason) => reason is null ? "{}"u8.ToArray() : Encoding.UTF8.GetBytes($"{{\"reason\":{JsonSerializer.Serialize(reason, RunJson.Wire.String)}}}");

    private SubmitAnswer ReadAnswer(JsonElement answer) => calls.Read(answer, json => new SubmitAnswer(
        RunId.Parse(json.GetProperty("run_id").GetString()!),
        json.GetProperty("created").GetBoolean(),
        json.TryGetProperty("request_differs", out var differs) && differs.GetBoolean(),
        json.TryGetProperty("warnings", out var warnings) ? warnings.EnumerateArray().Select(warning => warning.GetString() + ".").FirstOrDefault() : null));

    private static DeadLetter ReadLetter(JsonElement letter) => letter.Deserialize(DeadLetterJson.Wire.DeadLetter)!;

    private static RunSummary ReadSummary(JsonElement run) => new()
    {
        RunId = RunId.Parse(run.GetProperty("run_id").GetString()!),
        State = StateOf(run),
        WorkerId = run.GetProperty("worker_id").GetString()!,

        // The API makes a title where there is none; a list shows what the request says.
        Title = run.GetProperty("request") is var request && (request.TryGetProperty("title", out var title) || request.TryGetProperty("name", out title)) ? title.GetString() : null,
        Trigger = run.GetProperty("trigger").GetProperty("kind").GetString()!,
        CreatedAt = TimeText.TryParse(run.GetProperty("created_at").GetString(), out var created) ? created : default,
        FinishedAt = run.TryGetProperty("finished_at", out var text) && TimeText.TryParse(text.GetString(), out var finished) ? finished : null,
    };

    private static RunState StateOf(JsonElement run) => Enum.GetValues<RunState>().FirstOrDefault(state => state.Text() == run.GetProperty("state").GetString());
}
