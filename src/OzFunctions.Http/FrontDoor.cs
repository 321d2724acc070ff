using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Http.Artifacts;
using OzFunctions.Http.DeadLetters;
using OzFunctions.Http.Documents;
using OzFunctions.Http.Guards;
using OzFunctions.Http.Health;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Logs;
using OzFunctions.Http.Pages;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Runs;
using OzFunctions.Http.Schedules;
using OzFunctions.Http.Workers;
using OzFunctions.Intake;
using OzFunctions.Runs;

namespace OzFunctions.Http;

/// <summary>
/// Everything that OzFunctions answers over HTTP, as one call: <c>ozf up</c> and the function app both make it. Checks host name, origin and key before anything
/// else, finds the route, and turns whatever goes wrong into a problem without secrets.
/// </summary>
public sealed partial class FrontDoor
{
    private readonly HostRule _hosts;
    private readonly KeyRing _keys;
    private readonly RouteTable _table;
    private readonly ILogger _logger;

    /// <param name="more">Endpoints of features that need more than Core.</param>
    public FrontDoor(OzCore core, FrontDoorOptions options, ILoggerFactory loggers, params IReadOnlyList<IEndpoints> more)
    {
        ArgumentNullException.ThrowIfNull(core);
        _hosts = new(options);
        _keys = new(options.Keys);
        _logger = loggers.CreateLogger<FrontDoor>();

        var room = new WorkerRoom(core);

        // A feature's folder adds its endpoints here, and its operations to Documents/openapi.json.
        IEndpoints[] own =
        [
            new HealthEndpoints(),
            new DocumentEndpoints(),
            new PageEndpoints(),
            new RunEndpoints(core, options, room),
            new LogEndpoints(core, options),
            new ArtifactEndpoints(core, options),
            new DeadLetterEndpoints(core, options.Requests),
            new WorkerEndpoints(core, room),
            new ScheduleEndpoints(core),
        ];
        _table = new(own.Concat(more).SelectMany(endpoints => endpoints.Routes));
    }

    private FrontDoor(FrontDoorOptions options, ILoggerFactory loggers, IEnumerable<IEndpoints> endpoints)
    {
        _hosts = new(options);
        _keys = new(options.Keys);
        _logger = loggers.CreateLogger<FrontDoor>();
        _table = new(endpoints.SelectMany(feature => feature.Routes));
    }

    /// <summary>Only health, readiness and metrics: for a host that has no API.</summary>
    public static FrontDoor ForStatus(HostStatus status, ILoggerFactory loggers) => new(new() { Keys = [] }, loggers, [new HealthEndpoints(), new StatusEndpoints(status, Access.Health)]);

    /// <summary>Every route, for the document that describes them.</summary>
    public IReadOnlyList<Route> Routes => _table.Routes;

    public async Task InvokeAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        ApiException problem;
        try
        {
            await AnswerAsync(context);
            return;
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller went away, or the server stops.
            context.Abort();
            return;
        }
        catch (ApiException ex)
        {
            problem = ex;
        }
        catch (QueueFullException ex)
        {
            problem = new(ApiError.TooMany, ex.Message) { RetryAfter = ex.RetryAfter };
        }
        catch (BadHttpRequestException ex)
        {
            problem = new(ex.StatusCode == 413 ? ApiError.TooLarge : ApiError.InvalidRequest, ex.StatusCode == 413 ? "The body is too large." : "The request is not well-formed HTTP.");
        }
        catch (Exception ex)
        {
            // The one catch-all of this door: a caller gets a sentence and a number to ask for, the host's log the rest.
            var traceId = TraceId();
            Failed(context.Request.Method, context.Request.Path.Value ?? "", traceId, ex);
            await SettleAsync(context, Translate(ex), traceId);
            return;
        }

        await SettleAsync(context, problem, TraceId());
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        var known = _table.TryFind(request.Method, RawPath(context), out var route, out var values, out var others);
        if (route?.Access.Kind != AccessKind.Health)
        {
            _hosts.CheckHost(request);
            _hosts.CheckOrigin(request, isPage: route?.Access.Kind == AccessKind.Page);
        }

        ApiKey? key = null;
        if (route is null ? request.Path.StartsWithSegments("/api") : route.Access.Kind == AccessKind.Key)
        {
            // Which paths there are is nobody's business without a key.
            key = _keys.Find(request.Headers)
                ?? throw new ApiException(ApiError.AuthenticationRequired, "Send a key: Authorization: Bearer KEY. 'ozf up' says where its key file is.");
        }

        if (!known)
        {
            throw others.Count > 0
                ? new ApiException(ApiError.MethodNotAllowed, $"{request.Method} is not supported here; {string.Join(", ", others)} is.") { Allow = string.Join(", ", others) }
                : ApiException.NotFound("There is nothing at this address.");
        }

        if (key is not null && !key.Allows(route!.Access.Scope))
        {
            throw new ApiException(ApiError.NotAuthorized, $"The key '{key.Name}' has not the scope '{route.Access.Scope.ToString().ToLowerInvariant()}' (api_keys[].scopes).");
        }

        await route!.Answer(new(context, route, values, key));
    }

    /// <summary>The path as the caller sent it where the server tells: decoding first would turn an encoded slash into a border between segments.</summary>
    private static string RawPath(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        return raw is ['/', ..] ? raw.Split('?', 2)[0] : context.Request.Path.ToUriComponent();
    }

    private static ApiException Translate(Exception exception) => exception switch
    {
        BlobStoreException { IsTransient: true } => new(ApiError.ResourceUnavailable, "The store cannot be reached now. Nothing was lost; try again.") { RetryAfter = TimeSpan.FromSeconds(5) },
        UnreadableRecordException unreadable => new(ApiError.InternalError, unreadable.Message),
        _ => new(ApiError.InternalError, "Something went wrong inside; the host's log says what, under this trace_id."),
    };

    private static string TraceId() => (Activity.Current?.TraceId ?? ActivityTraceId.CreateRandom()).ToHexString();

    private static async Task SettleAsync(HttpContext context, ApiException problem, string traceId)
    {
        if (context.Response.HasStarted)
        {
            // Half an answer must not look whole.
            context.Abort();
            return;
        }

        try
        {
            await ProblemAnswer.WriteAsync(context, problem, traceId);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed (trace {TraceId})")]
    private partial void Failed(string method, string path, string traceId, Exception exception);
}
