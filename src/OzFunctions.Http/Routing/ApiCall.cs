using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Problems;
using OzFunctions.Requests;

namespace OzFunctions.Http.Routing;

/// <summary>One call of one route: what came, and the ways to answer.</summary>
public sealed class ApiCall(HttpContext context, Route route, IReadOnlyDictionary<string, string> values, ApiKey? key)
{
    private const int Deepest = 64;
    private const int LongestKey = 256;

    /// <summary>Room that is made for a body before a byte of it is there: whoever holds many connections open without a key is to cost little.</summary>
    private const int MostAtFirst = 64 * 1024;

    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public HttpContext Http { get; } = context;

    public HttpRequest Request => Http.Request;

    public HttpResponse Response => Http.Response;

    /// <summary>The key it came with; null where the route needs none.</summary>
    public ApiKey? Key { get; } = key;

    public CancellationToken Cancellation => Http.RequestAborted;

    /// <summary>The decoded value of a name in the route's pattern.</summary>
    public string Value(string name) => values[name];

    /// <summary>What addresses here begin with: the public one where it is configured, else the one that this call came to.</summary>
    public string RootOf(Uri? publicUrl) => publicUrl?.ToString().TrimEnd('/') ?? $"{Request.Scheme}://{Request.Host.Value}";

    /// <summary>
    /// A path of here for the header <c>Location</c>. The public address may have a path of its own, which only it can tell; where there is none the caller's own
    /// address is the best there is (a proxy may have TLS that is not seen here).
    /// </summary>
    public string LocationOf(Uri? publicUrl, string path) => publicUrl is null ? path : RootOf(publicUrl) + path;

    /// <summary>A query parameter that may stand once; null: not there. Given twice is a fault.</summary>
    public string? Query(string name) => Request.Query[name] switch
    {
        [] => null,
        [{ Length: > 0 } one] => one,
        [_] => null,
        _ => throw ApiException.Invalid(name, null, "may be given once"),
    };

    /// <summary>How many entries of a list are asked for (<c>limit</c>), 1 to <paramref name="most"/>; anything else is a fault.</summary>
    public int QueryLimit(int usual, int most) => Query("limit") is not { } text ? usual
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most ? number
        : throw ApiException.Invalid("limit", text, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from 1 to {most}"));

    /// <summary>A query parameter that may stand several times.</summary>
    public IReadOnlyList<string> QueryAll(string name) => [.. Request.Query[name].Concat(Request.Query[name + "[]"]).OfType<string>().Where(value => value.Length > 0)];

    /// <summary>A header that may stand once; null: not there.</summary>
    public string? Header(string name) => Request.Headers[name] switch
    {
        [] => null,
        [{ Length: > 0 } one] => one,
        [_] => null,
        _ => throw ApiException.Invalid(name, null, "may be given once"),
    };

    /// <summary>The caller's idempotency key (at most 256 characters), from the header or, where any character may stand in it, the body; null: none. Two that differ are a fault.</summary>
    public string? IdempotencyKey(string? inBody)
    {
        var key = Header("Idempotency-Key");
        if (key is not null && inBody is not null && key != inBody)
        {
            throw ApiException.Invalid("idempotency_key", inBody, "differs from the header Idempotency-Key; give one of them");
        }

        return (key ?? inBody) is not { } given || (given.Length <= LongestKey && !given.Any(char.IsControl))
            ? key ?? inBody
            : throw ApiException.Invalid(key is null ? "idempotency_key" : "Idempotency-Key", given, $"must have at most {LongestKey} characters and no control characters");
    }

    /// <summary>The body's bytes as they came, at most the route's limit; more is 413.</summary>
    public Task<ReadOnlyMemory<byte>> ReadBytesAsync() => ReadBytesAsync(route.MostBytes);

    /// <summary>The same with a limit of its own.</summary>
    public async Task<ReadOnlyMemory<byte>> ReadBytesAsync(int most)
    {
        if (Request.ContentLength > most)
        {
            throw TooLarge(most);
        }

        if (Http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = most;
        }

        // What the caller says that will come is only a word: room is made as it comes.
        var body = new ArrayBufferWriter<byte>((int)Math.Min(Request.ContentLength ?? 4096, MostAtFirst) + 1);
        int read;
        while ((read = await Request.Body.ReadAsync(body.GetMemory(4096), Cancellation)) > 0)
        {
            body.Advance(read);
            if (body.WrittenCount > most)
            {
                throw TooLarge(most);
            }
        }

        return body.WrittenMemory;
    }

    /// <summary>The body's bytes when it says that it is JSON: anything else is 415, so that no page's form can send it.</summary>
    public async Task<ReadOnlyMemory<byte>> ReadJsonBytesAsync()
    {
        RequireJson();
        return await ReadBytesAsync();
    }

    /// <summary>The body as a JSON object; an absent one is empty where <paramref name="mayBeAbsent"/>.</summary>
    public async Task<JsonElement> ReadObjectAsync(bool mayBeAbsent = false)
    {
        // A body may come without a length, in chunks: whether it is absent tells only the reading, and one without a type is refused like any other that is no JSON.
        if (mayBeAbsent && Request.ContentType is null && (await ReadBytesAsync()).IsEmpty)
        {
            return JsonElement.Parse("{}");
        }

        var bytes = await ReadJsonBytesAsync();
        if (mayBeAbsent && bytes.IsEmpty)
        {
            return JsonElement.Parse("{}");
        }

        if (JsonText.FindFault(bytes.Span, "body", Deepest) is { } fault)
        {
            throw ApiException.Invalid("", null, fault);
        }

        using var document = JsonDocument.Parse(bytes, new() { MaxDepth = Deepest });
        return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : throw ApiException.Invalid("", null, "the body must be a JSON object");
    }

    /// <summary>Answers JSON.</summary>
    public async Task WriteJsonAsync(int status, Action<Utf8JsonWriter> write)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body, Json))
        {
            write(json);
        }

        await WriteAsync(status, "application/json", body.WrittenMemory);
    }

    public async Task WriteAsync(int status, string contentType, ReadOnlyMemory<byte> body)
    {
        Response.StatusCode = status;
        Response.ContentType = contentType;
        Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(Request.Method))
        {
            await Response.Body.WriteAsync(body, Cancellation);
        }
    }

    private void RequireJson()
    {
        var type = Request.ContentType?.Split(';')[0].Trim() ?? "";
        if (!type.Equals("application/json", StringComparison.OrdinalIgnoreCase) && !(type.StartsWith("application/", StringComparison.OrdinalIgnoreCase) && type.EndsWith("+json", StringComparison.OrdinalIgnoreCase)))
        {
            throw new ApiException(ApiError.WrongContentType, "Send JSON with the header Content-Type: application/json.");
        }
    }

    private static ApiException TooLarge(int most) => new(ApiError.TooLarge, $"The body may have at most {most} bytes.");
}
