using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OzFunctions.Requests;

namespace OzFunctions.Http.Problems;

/// <summary>Writes a problem as <c>application/problem+json</c> (RFC 9457) with the members that clients of Oz read (facts D2.16).</summary>
internal static class ProblemAnswer
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="traceId">Stands in the host's log too, beside what went wrong.</param>
    public static async Task WriteAsync(HttpContext context, ApiException problem, string traceId)
    {
        var response = context.Response;
        response.StatusCode = problem.Error.Status;
        response.ContentType = RequestProblem.ContentType;
        if (problem.RetryAfter is { } after)
        {
            response.Headers.RetryAfter = ((int)Math.Ceiling(after.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        if (problem.Allow is { } allow)
        {
            response.Headers.Allow = allow;
        }

        if (problem.Error == ApiError.AuthenticationRequired)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body, Options))
        {
            json.WriteStartObject();
            json.WriteString("type", "/problems/" + problem.Error.Code);
            json.WriteString("title", problem.Error.Title);
            json.WriteNumber("status", problem.Error.Status);
            json.WriteString("detail", problem.Message);
            json.WriteString("instance", context.Request.Path.Value);
            json.WriteString("error", problem.Message);
            json.WriteBoolean("retryable", problem.Error.Retryable);
            json.WriteString("trace_id", traceId);
            if (problem.Faults.Count > 0)
            {
                RequestProblem.WriteFaults(json, problem.Faults);
            }

            json.WriteEndObject();
        }

        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length), context.RequestAborted);
        }
    }
}
