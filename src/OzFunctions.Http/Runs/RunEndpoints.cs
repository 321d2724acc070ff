using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Cancelling;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Workers;
using OzFunctions.Intake;
using OzFunctions.Json;
using OzFunctions.Keys;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Http.Runs;

/// <summary>Runs over the vendor's API (facts D3, D4): create, list, get, cancel; retry and cancel-all are ours.</summary>
internal sealed class RunEndpoints(OzCore core, FrontDoorOptions options, WorkerRoom room) : IEndpoints
{
    public const string Path = "/api/v1/agent/runs";

    private const int LongestReason = 500;
    private const string ReasonName = "reason";
    private const string WorkerName = "worker_id";

    private readonly RunList _list = new(core);

    public IEnumerable<Route> Routes =>
    [
        new("POST", Path, Access.Key(KeyScopes.Submit), CreateAsync),
        new("POST", "/api/v1/agent/run", Access.Key(KeyScopes.Submit), CreateAsync),
        new("GET", Path, Access.Key(KeyScopes.Read), ListAsync),
        new("POST", Path + "/cancel", Access.Key(KeyScopes.Admin), CancelAllAsync),
        new("GET", Path + "/{run_id}", Access.Key(KeyScopes.Read), GetAsync),
        new("POST", Path + "/{run_id}/cancel", Access.Key(KeyScopes.Cancel), CancelAsync),
        new("POST", Path + "/{run_id}/retry", Access.Key(KeyScopes.Submit), RetryAsync),
    ];

    private async Task CreateAsync(ApiCall call)
    {
        var body = await call.ReadObjectAsync();
        var request = CreateBody.Read(body);
        if (call.Header("Idempotency-Key") is not null)
        {
            // What is wrong with a key of the body is told with all other faults of the request.
            request = request with { IdempotencyKey = call.IdempotencyKey(request.IdempotencyKey) };
        }

        await SubmitAsync(call, new()
        {
            Request = request,
            Trigger = TriggerOf(call),
            Key = request.IdempotencyKey is { } given ? IntakeKeys.Api(call.Key!.Name, given) : null,
            AskedBy = call.Key!.Name,
            Traceparent = OzTelemetry.FindTraceparent(FindTraceparent(call)) ?? RunRequestReader.FindTraceparent(body),
        });
    }

    private async Task RetryAsync(ApiCall call)
    {
        var first = await GetRunAsync(core, call);
        if (!first.State.IsTerminal())
        {
            throw new ApiException(ApiError.Conflict, $"Run {first.RunId} is {first.State.Text()}; only a finished run can be repeated.");
        }

        await SubmitAsync(call, new()
        {
            Request = first.Request.ToRepeat(first.WorkerId, core.Ports.Time.GetUtcNow()),
            Trigger = TriggerOf(call),
            Key = call.IdempotencyKey(null) is { } given ? IntakeKeys.Api(call.Key!.Name, $"retry:{first.RunId}:{given}") : null,
            AskedBy = call.Key!.Name,
            RetryOf = first.RunId,
        });
    }

    /// <summary>More than one is none, as with any that is not valid (W3C Trace Context, 3.2): a trace is never a reason to refuse.</summary>
    private static string? FindTraceparent(ApiCall call) => call.Request.Headers.TraceParent is [{ } one] ? one : null;

    private static RunTrigger TriggerOf(ApiCall call) => new() { Kind = TriggerKind.Api, Name = call.Key!.Name };

    private async Task SubmitAsync(ApiCall call, RunSubmission submission)
    {
        // Accepted is accepted: who hangs up now has its run, and finds it by its key.
        var answer = await core.Intake.SubmitAsync(submission, CancellationToken.None);
        var (atCapacity, warning) = await LookSafelyAsync(answer.Run.WorkerId, call.Cancellation);
        var url = $"{call.RootOf(options.PublicUrl)}{Path}/{answer.Run.RunId}";
        call.Response.Headers.Location = call.LocationOf(options.PublicUrl, $"{Path}/{answer.Run.RunId}");
        await call.WriteJsonAsync(202, json =>
        {
            json.WriteStartObject();
            json.WriteString("run_id", answer.Run.RunId.Value);
            json.WriteString("task_id", answer.Run.RunId.Value);
            json.WriteString("state", answer.Run.State.Text());
            json.WriteBoolean("at_capacity", atCapacity);
            json.WriteBoolean("created", answer.Created);
            // A retry's request is made here, of what the run was asked and of the time.
            if (answer.RequestDiffers && submission.RetryOf is null)
            {
                json.WriteBoolean("request_differs", true);
            }

            if (submission.RetryOf is { } first)
            {
                json.WriteString("retry_of", first.Value);
            }

            json.WriteString("status_url", url);
            if (warning is not null && !answer.Run.State.IsTerminal())
            {
                json.WriteStartArray("warnings");
                json.WriteStringValue(warning);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        });
    }

    private async Task<(bool AtCapacity, string? Warning)> LookSafelyAsync(string workerId, CancellationToken cancellationToken)
    {
        try
        {
            return await room.LookAsync(workerId, cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The run is accepted: whatever fails now must not make the call look refused, or the caller would ask for another.
            return (false, null);
        }
    }

    private async Task ListAsync(ApiCall call)
    {
        var (runs, next) = await _list.FindAsync(RunFilter.Read(call), call.Cancellation);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("runs");
            foreach (var run in runs)
            {
                RunItemJson.Write(json, run, artifacts: null, whole: false);
            }

            json.WriteEndArray();
            json.WriteStartObject("page_info");
            json.WriteBoolean("has_next_page", next is not null);
            if (next is not null)
            {
                json.WriteString("next_cursor", next);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task GetAsync(ApiCall call)
    {
        var run = await GetRunAsync(core, call);
        var manifest = await ArtifactManifests.ReadAsync(core.Ports.Blobs, run.RunId, run.Attempt, call.Cancellation);
        await call.WriteJsonAsync(200, json => RunItemJson.Write(json, run, manifest.Artifacts, whole: true));
    }

    private async Task CancelAsync(ApiCall call)
    {
        var runId = ParseId(call);
        var answer = await core.Cancels.CancelAsync(runId, call.Key!.Name, ReadReason(await call.ReadObjectAsync(mayBeAbsent: true)), CancellationToken.None);
        switch (answer.Result)
        {
            case CancelResult.NotFound:
                throw NoRun(runId);
            case CancelResult.AlreadyFinished:
                throw new ApiException(ApiError.InvalidRequest, $"Run {runId} has already finished: {answer.Run!.State.Text()}.");
            default:
                // The vendor's clients get the id, as a JSON text (facts D4.4).
                call.Response.Headers["Ozf-Result"] = ResultText(answer.Result);
                await call.WriteJsonAsync(200, json => json.WriteStringValue(runId.Value));
                break;
        }
    }

    private async Task CancelAllAsync(ApiCall call)
    {
        var (worker, body) = (ReadWorker(call), await call.ReadObjectAsync(mayBeAbsent: true));
        if (body.EnumerateObject().FirstOrDefault(member => member.Name != ReasonName) is { Value.ValueKind: not JsonValueKind.Undefined } unknown)
        {
            throw ApiException.Invalid(FaultValue.Shorten(unknown.Name), null, $"is not known here: the body may hold a {ReasonName}; whose runs are cancelled says the query, ?{WorkerName}=WORKER");
        }

        var answers = await core.Cancels.CancelAllAsync(worker, call.Key!.Name, ReadReason(body), unreadable: null, CancellationToken.None);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("runs");
            foreach (var answer in answers)
            {
                json.WriteStartObject();
                json.WriteString("run_id", answer.Run!.RunId.Value);
                json.WriteString("result", ResultText(answer.Result));
                json.WriteString("state", answer.Run.State.Text());
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>Whose runs are to be cancelled; null: everybody's. A slip must not widen it.</summary>
    private static string? ReadWorker(ApiCall call)
    {
        if (call.Request.Query.Keys.FirstOrDefault(name => name != WorkerName) is { } unknown)
        {
            throw ApiException.Invalid(FaultValue.Shorten(unknown), null, $"is not known here: {WorkerName} says whose runs are cancelled");
        }

        if (!call.Request.Query.ContainsKey(WorkerName))
        {
            return null;
        }

        var worker = call.Query(WorkerName) ?? "";
        return RunCancels.FindWorkerFault(worker) is { } fault ? throw ApiException.Invalid(WorkerName, worker, fault) : worker;
    }

    private static string? ReadReason(JsonElement body)
    {
        if (!body.TryGetProperty(ReasonName, out var reason) || reason.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        return reason.ValueKind == JsonValueKind.String && reason.GetString() is { Length: <= LongestReason } text && !text.Any(char.IsControl)
            ? text
            : throw ApiException.Invalid(ReasonName, null, $"must be a text of at most {LongestReason} characters on one line");
    }

    private static string ResultText(CancelResult result) => JsonNamingPolicy.SnakeCaseLower.ConvertName(result.ToString());

    /// <summary>The run of the path's id; throws a 404.</summary>
    public static async Task<RunRecord> GetRunAsync(OzCore core, ApiCall call)
    {
        var runId = ParseId(call);
        return (await core.Records.FindAsync(runId, call.Cancellation))?.Record ?? throw NoRun(runId);
    }

    private static RunId ParseId(ApiCall call) => RunId.TryParse(call.Value("run_id").ToLowerInvariant(), out var runId)
        ? runId
        : throw ApiException.NotFound($"There is no run '{FaultValue.Shorten(call.Value("run_id"))}'.");

    private static ApiException NoRun(RunId runId) => ApiException.NotFound($"There is no run {runId}.");
}
