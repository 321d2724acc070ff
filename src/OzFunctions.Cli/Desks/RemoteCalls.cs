using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Desks;

/// <summary>Calls a front door and turns what it refuses into sentences and exit codes: 64 for what the caller can mend, 69 for what is not to be had now.</summary>
internal sealed class RemoteCalls : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(100);
    private static readonly TimeSpan[] Waits = [TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5)];

    private readonly HttpClient _client;
    private readonly TimeProvider _time;

    /// <param name="address">Of the front door, without <c>/api/v1</c>.</param>
    public RemoteCalls(Uri address, string key, TimeProvider time)
    {
        // Where a proxy is set for the machine, loopback is not behind it; and a redirect would carry the key elsewhere.
        _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = !address.IsLoopback, ConnectTimeout = TimeSpan.FromSeconds(15) })
        {
            BaseAddress = new(address.ToString().TrimEnd('/') + "/api/v1/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        _client.DefaultRequestHeaders.UserAgent.Add(new("ozf", null));
        (Address, _time) = (address, time);
    }

    public Uri Address { get; }

    /// <summary>The answer's body; null: 404.</summary>
    public Task<JsonElement?> FindAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, body: null, cancellationToken);

    public async Task<JsonElement> GetAsync(string path, CancellationToken cancellationToken) => await FindAsync(path, cancellationToken) ?? throw NotThere(path);

    /// <param name="repeating">Called before it is sent again: an earlier try may have been carried out.</param>
    public async Task<JsonElement> PostAsync(string path, ReadOnlyMemory<byte> json, CancellationToken cancellationToken, Action? repeating = null) =>
        await SendAsync(HttpMethod.Post, path, json, cancellationToken, repeating: repeating) ?? throw NotThere(path);

    /// <summary>Sent again when the way there or back fails: only for what a repeat changes nothing of. Null: 404.</summary>
    /// <param name="idempotencyKey">Makes a repeat harmless where the call alone does not. ASCII.</param>
    /// <param name="traceparent">The trace that the call belongs to.</param>
    /// <param name="repeating">Called before it is sent again: an earlier try may have been carried out.</param>
    public async Task<JsonElement?> SendAsync(
        HttpMethod method, string path, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken, string? idempotencyKey = null, string? traceparent = null, Action? repeating = null)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                return await AskAsync(method, path, body, idempotencyKey, cancellationToken, traceparent);
            }
            catch (Exception ex) when (IsOutage(ex, cancellationToken) && tries < Waits.Length)
            {
                repeating?.Invoke();
                await Task.Delay(Waits[tries], _time, cancellationToken);
            }
            catch (Exception ex) when (IsOutage(ex, cancellationToken))
            {
                throw Unreachable(ex);
            }
        }
    }

    /// <summary>A post that is never repeated by itself: a lost answer may have been a yes. Null: 404.</summary>
    public async Task<JsonElement?> PostOnceAsync(string path, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(HttpMethod.Post, path, json, null, cancellationToken);
        }
        catch (Exception ex) when (IsOutage(ex, cancellationToken))
        {
            throw Unreachable(ex);
        }
    }

    /// <summary>The body of an answer as it comes, for contents of any length; null: 404.</summary>
    public async Task<Stream?> OpenContentAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var deadline = new CancellationTokenSource(AnswerWithin, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            var response = await OpenAsync(HttpMethod.Get, path, null, null, either.Token);
            if (response.IsSuccessStatusCode)
            {
                return new RemoteContent(await response.Content.ReadAsStreamAsync(either.Token), this, _time);
            }

            response.Dispose();
            return null;
        }
        catch (Exception ex) when (IsOutage(ex, cancellationToken))
        {
            throw Unreachable(ex);
        }
    }

    /// <summary>The open answer of a call that streams; 404 is left to the caller, other refusals are thrown.</summary>
    public async Task<HttpResponseMessage> OpenAsync(HttpMethod method, string path, ReadOnlyMemory<byte>? body, string? idempotencyKey, CancellationToken cancellationToken, Action<HttpRequestHeaders>? headers = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is { } json)
        {
            request.Content = new ReadOnlyMemoryContent(json) { Headers = { ContentType = new("application/json") } };
        }

        if (idempotencyKey is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", idempotencyKey);
        }

        headers?.Invoke(request.Headers);
        var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.NotFound)
        {
            return response;
        }

        using (response)
        {
            throw response.StatusCode >= HttpStatusCode.InternalServerError
                ? new RefusedForNowException(await DetailAsync(response, cancellationToken))
                : Refused(response.StatusCode, await ReadProblemAsync(response, cancellationToken));
        }
    }

    /// <summary>The way there or back failed, and may not fail the next time.</summary>
    public static bool IsOutage(Exception exception, CancellationToken cancellationToken) =>
        exception is HttpRequestException or IOException or RefusedForNowException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    public CommandException Unreachable(Exception exception) => CommandException.Unavailable(exception is RefusedForNowException
        ? $"{Address}: {exception.Message}"
        : $"{Address} cannot be reached: {(exception is OperationCanceledException ? "no answer" : (exception.InnerException ?? exception).Message)}. Is 'ozf up' running there?");

    /// <summary>An answer was there in part.</summary>
    public CommandException BrokenOff(Exception exception) => CommandException.Unavailable(
        $"{Address}: the connection broke off before everything was there: {(exception is OperationCanceledException ? "nothing more came" : exception.Message)}. Try again.");

    /// <summary>What an answer says. Not every server at an address is a front door: one that says something else is a sentence.</summary>
    public T Read<T>(JsonElement answer, Func<JsonElement, T> read)
    {
        try
        {
            return read(answer);
        }
        catch (Exception ex) when (ex is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw NotUnderstood();
        }
    }

    /// <summary>A record as it is stored there; one of a newer version is a sentence.</summary>
    /// <param name="newest">The newest <c>schema</c> that can be read here.</param>
    public T ReadRecord<T>(JsonElement record, int newest, JsonTypeInfo<T> type)
        where T : class => Read(record, json => json.GetProperty("schema").GetInt32() <= newest
            ? json.Deserialize(type)!
            : throw CommandException.Unavailable($"{Address} is of a newer version than this ozf: upgrade ozf."));

    public void Dispose() => _client.Dispose();

    /// <summary>One try, the whole answer within its time. Null: 404.</summary>
    private async Task<JsonElement?> AskAsync(
        HttpMethod method, string path, ReadOnlyMemory<byte>? body, string? idempotencyKey, CancellationToken cancellationToken, string? traceparent = null)
    {
        using var deadline = new CancellationTokenSource(AnswerWithin, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var response = await OpenAsync(
            method, path, body, idempotencyKey, either.Token, traceparent is null ? null : headers => headers.TryAddWithoutValidation("traceparent", traceparent));
        if (response.StatusCode is HttpStatusCode.NotFound)
        {
            return null;
        }

        await using var content = await response.Content.ReadAsStreamAsync(either.Token);
        try
        {
            using var document = response.StatusCode == HttpStatusCode.NoContent ? JsonDocument.Parse("{}") : await JsonDocument.ParseAsync(content, cancellationToken: either.Token);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw NotUnderstood();
        }
    }

    private CommandException Refused(HttpStatusCode status, JsonElement? problem)
    {
        var number = ((int)status).ToString(CultureInfo.InvariantCulture);
        var detail = Text(problem, "detail") ?? $"it answered {number}";
        var lines = problem is { } json && json.TryGetProperty("faults", out var faults) && faults.ValueKind == JsonValueKind.Array
            ? [.. faults.EnumerateArray().Select(fault => $"{Text(fault, "path")}: {(Text(fault, "value") is { } value ? $"'{value}': " : "")}{Text(fault, "rule")}")]
            : new[] { $"{Address}: {detail}" };
        return status switch
        {
            HttpStatusCode.Unauthorized => CommandException.Usage($"{Address} does not know this key; give one with --key-file FILE or OZF_API_KEY."),
            HttpStatusCode.TooManyRequests => CommandException.Unavailable($"{Address}: {detail}"),
            < HttpStatusCode.BadRequest => CommandException.Usage($"{Address} answered {number}; is it the address of an OzFunctions front door?"),
            _ => CommandException.Usage(lines),
        };
    }

    private CommandException NotUnderstood() => CommandException.Unavailable($"{Address} answered something else than was asked for; is it an OzFunctions front door of this version?");

    private CommandException NotThere(string path) => CommandException.Usage($"{Address} has no {path}; is it an OzFunctions front door of this version?");

    private static async Task<string> DetailAsync(HttpResponseMessage response, CancellationToken cancellationToken) =>
        Text(await ReadProblemAsync(response, cancellationToken), "detail") ?? $"it answered {(int)response.StatusCode}";

    private static async Task<JsonElement?> ReadProblemAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync(cancellationToken));
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement? json, string name) =>
        json is { } element && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>The front door, or a proxy before it, says: not now.</summary>
    private sealed class RefusedForNowException(string message) : Exception(message);
}
