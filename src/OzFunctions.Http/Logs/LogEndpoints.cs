using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Runs;
using OzFunctions.Keys;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Http.Logs;

/// <summary>
/// A run's log, whole or live: text for people, NDJSON as stored, or server-sent events. An event's id is <c>ATTEMPT-LINE</c>; a client that sends the last one it
/// had as <c>Last-Event-ID</c> gets what follows it, each line once.
/// </summary>
internal sealed class LogEndpoints(OzCore core, FrontDoorOptions options) : IEndpoints
{
    private readonly RunLogs _logs = new(core.Ports.Blobs, core.Ports.Time);

    public IEnumerable<Route> Routes =>
    [
        new("GET", RunEndpoints.Path + "/{run_id}/log", Access.Key(KeyScopes.Read), AnswerAsync),
        new("GET", RunEndpoints.Path + "/{run_id}/transcript", Access.Key(KeyScopes.Read), AnswerTranscriptAsync),
    ];

    /// <summary>The vendor redirects to its transcript (facts D4.6); ours is the log.</summary>
    private async Task AnswerTranscriptAsync(ApiCall call)
    {
        var run = await RunEndpoints.GetRunAsync(core, call);
        if (run.Attempt == 0)
        {
            throw ApiException.NotFound($"There is no transcript yet: run {run.RunId} is {run.State.Text()}.");
        }

        // Never another host, where a client's key would not go with it; below a proxy's path only a relative reference is right (RFC 9110, 10.2.2).
        call.Response.Headers.Location = options.PublicUrl is { AbsolutePath: not "/" } ? "log" : $"{RunEndpoints.Path}/{run.RunId}/log";
        await call.WriteAsync(302, "text/plain; charset=utf-8", default);
    }

    private async Task AnswerAsync(ApiCall call)
    {
        var format = FormatOf(call);
        var follow = Flag(call, "follow") ?? format == LogFormat.Events;
        var (attempt, from, first) = Place(call);
        var run = await RunEndpoints.GetRunAsync(core, call);
        if (attempt > run.Attempt && !(follow && !run.State.IsTerminal()))
        {
            throw ApiException.Invalid("attempt", attempt.Value.ToString(CultureInfo.InvariantCulture), $"the run has had {run.Attempt}");
        }

        var query = RunLogQuery.Of(core.Records, run.RunId, follow) with { Attempt = attempt, FirstAttempt = first, From = from, PollEvery = options.LookEvery };
        call.Response.StatusCode = 200;
        call.Response.ContentType = format switch
        {
            LogFormat.Events => "text/event-stream",
            LogFormat.Lines => "application/x-ndjson",
            _ => "text/plain; charset=utf-8",
        };
        call.Response.Headers["X-Accel-Buffering"] = "no";
        if (Microsoft.AspNetCore.Http.HttpMethods.IsHead(call.Request.Method))
        {
            return;
        }

        call.Http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await (format switch
        {
            LogFormat.Events => new EventStream(call, core.Ports.Time).SendAsync(token => _logs.ReadRawAsync(query, token), () => core.Records.FindAsync(run.RunId, call.Cancellation)),
            LogFormat.Lines => WriteLinesAsync(call, query),
            _ => WriteTextAsync(call, query),
        });
    }

    private async Task WriteLinesAsync(ApiCall call, RunLogQuery query)
    {
        await call.Response.Body.FlushAsync(call.Cancellation);
        await foreach (var chunk in _logs.ReadRawAsync(query, call.Cancellation))
        {
            await call.Response.Body.WriteAsync(chunk.Lines, call.Cancellation);
            await call.Response.Body.FlushAsync(call.Cancellation);
        }
    }

    private async Task WriteTextAsync(ApiCall call, RunLogQuery query)
    {
        await call.Response.Body.FlushAsync(call.Cancellation);
        var text = new LogText(color: false);
        var attempt = 0;
        await foreach (var line in _logs.ReadAsync(query, call.Cancellation))
        {
            if (line.Attempt != attempt)
            {
                await WriteAsync(text.End());
                (text, attempt) = (new(color: false), line.Attempt);
            }

            await WriteAsync(text.Add(line));
        }

        await WriteAsync(text.End());

        async Task WriteAsync(string? shown)
        {
            if (shown is not null)
            {
                await call.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(shown + "\n"), call.Cancellation);
                if (query.Follow)
                {
                    await call.Response.Body.FlushAsync(call.Cancellation);
                }
            }
        }
    }

    private static LogFormat FormatOf(ApiCall call) => call.Query("format") switch
    {
        "text" => LogFormat.Text,
        "ndjson" => LogFormat.Lines,
        "sse" => LogFormat.Events,
        null => call.Request.Headers.Accept.ToString() switch
        {
            var accept when accept.Contains("text/event-stream", StringComparison.OrdinalIgnoreCase) => LogFormat.Events,
            var accept when accept.Contains("ndjson", StringComparison.OrdinalIgnoreCase) => LogFormat.Lines,
            _ => LogFormat.Text,
        },
        var other => throw ApiException.Invalid("format", other, "must be text, ndjson or sse"),
    };

    /// <summary>The one attempt asked for, the first line wanted, and the attempt that it belongs to.</summary>
    private static (int? Attempt, long From, int First) Place(ApiCall call)
    {
        var attempt = call.Query("attempt") is not { } text ? (int?)null
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 ? number
            : throw ApiException.Invalid("attempt", text, "must be a whole number of at least 1");
        if ((call.Header("Last-Event-ID") ?? call.Query("after")) is not { } last)
        {
            return (attempt, 1, 1);
        }

        if (last.Split('-') is not [var had, var line]
            || !int.TryParse(had, NumberStyles.None, CultureInfo.InvariantCulture, out var hadAttempt) || hadAttempt < 1
            || !long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var n) || n == long.MaxValue)
        {
            throw ApiException.Invalid("Last-Event-ID", last, "must be the id of an event of this log, ATTEMPT-LINE");
        }

        return attempt is { } only && only != hadAttempt
            ? throw ApiException.Invalid("Last-Event-ID", last, $"is of another attempt than {only}")
            : (attempt, n + 1, hadAttempt);
    }

    private static bool? Flag(ApiCall call, string name) => call.Query(name) switch
    {
        null => null,
        "true" or "1" => true,
        "false" or "0" => false,
        var other => throw ApiException.Invalid(name, other, "must be true or false"),
    };

    private enum LogFormat
    {
        Text,
        Lines,
        Events,
    }
}
