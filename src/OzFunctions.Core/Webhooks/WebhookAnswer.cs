using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Webhooks;

/// <summary>What a sender is told: an HTTP status, headers, and a body or none.</summary>
public sealed record WebhookAnswer
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public required int Status { get; init; }

    public string? ContentType { get; init; }

    public ReadOnlyMemory<byte> Body { get; init; }

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Nothing was started, and nothing is wrong; the reason stands in the delivery log.</summary>
    internal static WebhookAnswer NoContent { get; } = new() { Status = 204 };

    /// <summary>The same words for a missing, a wrong, a stale and a future signature: a prober learns nothing.</summary>
    internal static WebhookAnswer Unauthorized { get; } = Problem(401, "authentication_required", "The delivery is not authenticated", retryable: false);

    internal static WebhookAnswer NotFound { get; } = Problem(404, "resource_not_found", "There is nothing here", retryable: false);

    internal static WebhookAnswer Text(string text) => new() { Status = 200, ContentType = "text/plain; charset=utf-8", Body = System.Text.Encoding.UTF8.GetBytes(text) };

    internal static WebhookAnswer Json(int status, Action<Utf8JsonWriter> write) => new() { Status = status, ContentType = "application/json", Body = Render(write) };

    internal static WebhookAnswer TooLarge(int most) =>
        Problem(413, "invalid_request", string.Create(CultureInfo.InvariantCulture, $"The delivery is too large: at most {most} bytes are read here"), retryable: false);

    internal static WebhookAnswer MethodNotAllowed { get; } =
        Problem(405, "operation_not_supported", "Deliveries are sent with POST", retryable: false) with { Headers = new Dictionary<string, string> { ["Allow"] = "POST" } };

    internal static WebhookAnswer Unreadable(string rule) => Problem(400, "invalid_request", rule, retryable: false);

    internal static WebhookAnswer Faulty(IReadOnlyList<RequestFault> faults) =>
        new() { Status = RequestProblem.Status, ContentType = RequestProblem.ContentType, Body = RequestProblem.ToJson(faults) };

    internal static WebhookAnswer Full(TimeSpan retryAfter) => Problem(429, "resource_unavailable", "Too many runs wait already; send the delivery again later", retryable: true) with
    {
        Headers = new Dictionary<string, string> { ["Retry-After"] = Math.Max(1, (int)retryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture) },
    };

    internal static WebhookAnswer Accepted(RunRecord run, bool created, string statusUrl) => Json(
        202,
        json =>
        {
            json.WriteStartObject();
            WriteRun(json, run, created, statusUrl);
            json.WriteEndObject();
        }) with
    { Headers = new Dictionary<string, string> { ["Location"] = statusUrl } };

    internal static void WriteRun(Utf8JsonWriter json, RunRecord run, bool created, string statusUrl)
    {
        json.WriteString("run_id", run.RunId.Value);
        json.WriteString("state", run.State.Text());
        json.WriteBoolean("created", created);
        json.WriteString("status_url", statusUrl);
    }

    private static WebhookAnswer Problem(int status, string code, string title, bool retryable) => new()
    {
        Status = status,
        ContentType = RequestProblem.ContentType,
        Body = Render(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "/problems/" + code);
            json.WriteString("title", title);
            json.WriteNumber("status", status);
            json.WriteString("error", title);
            json.WriteBoolean("retryable", retryable);
            json.WriteEndObject();
        }),
    };

    private static ReadOnlyMemory<byte> Render(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            write(json);
        }

        return buffer.WrittenMemory;
    }
}
