using System.Text;
using System.Text.Json;
using OzFunctions.DeadLetters;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Keys;
using OzFunctions.Queues;
using OzFunctions.Requests;

namespace OzFunctions.Http.DeadLetters;

/// <summary>Messages no run could be made of. <paramref name="requests"/> null: there is no queue here to put them back on.</summary>
internal sealed class DeadLetterEndpoints(OzCore core, IRequestQueue? requests) : IEndpoints
{
    private const string Path = "/api/v1/dead-letters";
    private const int MostLetters = 1_000;

    /// <summary>Of messages in one page, in characters.</summary>
    private const int MostText = 4 * 1024 * 1024;

    public IEnumerable<Route> Routes =>
    [
        new("GET", Path, Access.Key(KeyScopes.Read), ListAsync),
        new("GET", Path + "/{id}", Access.Key(KeyScopes.Read), GetAsync),
        new("POST", Path + "/{id}/requeue", Access.Key(KeyScopes.Admin), RequeueAsync),
        new("DELETE", Path + "/{id}", Access.Key(KeyScopes.Admin), DeleteAsync),
    ];

    private async Task ListAsync(ApiCall call)
    {
        var most = call.QueryLimit(MostLetters, MostLetters);
        var page = await core.DeadLetters.ListPageAsync(call.Query("cursor"), most, MostText, call.Cancellation);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("dead_letters");
            foreach (var letter in page.Letters)
            {
                JsonSerializer.Serialize(json, letter, DeadLetterJson.Wire.DeadLetter);
            }

            json.WriteEndArray();
            json.WriteStartObject("page_info");
            json.WriteBoolean("has_next_page", page.Next is not null);
            if (page.Next is { } next)
            {
                json.WriteString("next_cursor", next);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task GetAsync(ApiCall call)
    {
        var letter = await FindAsync(call);
        await call.WriteJsonAsync(200, json => JsonSerializer.Serialize(json, letter, DeadLetterJson.Wire.DeadLetter));
    }

    private async Task RequeueAsync(ApiCall call)
    {
        var letter = await FindAsync(call);
        var body = await call.ReadObjectAsync(mayBeAbsent: true);
        var queue = requests ?? throw new ApiException(ApiError.OperationNotSupported, "There is no request queue here; send the request to /api/v1/agent/runs.");
        var message = body.TryGetProperty("body", out var other)
            ? other.ValueKind == JsonValueKind.String ? other.GetString()! : throw ApiException.Invalid("body", null, "must be a text, the message to send in its place")
            : letter.Body;

        // Sent first: a crash in between leaves the letter, never neither.
        var messageId = await queue.RequeueAsync(letter.Id, Encoding.UTF8.GetBytes(message), CancellationToken.None);
        await core.DeadLetters.TryRemoveAsync(letter.Id, CancellationToken.None);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("id", letter.Id);
            json.WriteString("message_id", messageId);
            json.WriteEndObject();
        });
    }

    private async Task DeleteAsync(ApiCall call)
    {
        var letter = await FindAsync(call);
        await core.DeadLetters.TryRemoveAsync(letter.Id, call.Cancellation);
        call.Response.StatusCode = 204;
    }

    private async Task<DeadLetter> FindAsync(ApiCall call) => await core.DeadLetters.FindAsync(call.Value("id"), call.Cancellation)
        ?? throw ApiException.NotFound($"There is no dead letter '{FaultValue.Shorten(call.Value("id"))}'.");
}
