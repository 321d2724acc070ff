using OzFunctions.Http.Routing;
using OzFunctions.Webhooks;

namespace OzFunctions.Http.Webhooks;

/// <summary>The address of webhooks: hands over headers and raw bytes, and says what <see cref="WebhookReceiver"/> answers. With it comes what people ask about deliveries.</summary>
/// <param name="publicUrl">Where status addresses begin; null: at the address that the delivery came to.</param>
public sealed class WebhookEndpoints(WebhookReceiver receiver, Uri? publicUrl) : IEndpoints
{
    private const string Pattern = "/api/v1/webhooks/{name}";

    public IEnumerable<Route> Routes =>
    [
        new("POST", Pattern, Access.Signed, AnswerAsync),
        new("OPTIONS", Pattern, Access.Signed, AnswerAsync),
        .. new DeliveryEndpoints(receiver, publicUrl).Routes,
    ];

    private async Task AnswerAsync(ApiCall call)
    {
        var name = call.Value("name");

        // Nothing is read for a name that nobody listens to.
        var body = receiver.FindLimit(name) is { } most ? await call.ReadBytesAsync(most) : ReadOnlyMemory<byte>.Empty;
        var arrival = new WebhookArrival
        {
            Method = call.Request.Method,
            Headers = call.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            Body = body,
        };

        // What is read whole is taken in whole: a sender that hangs up must not leave an accepted run without its announcement.
        var answer = await receiver.ReceiveAsync(name, arrival, call.RootOf(publicUrl), CancellationToken.None);
        foreach (var (header, value) in answer.Headers)
        {
            call.Response.Headers[header] = value;
        }

        if (answer.ContentType is { } type)
        {
            await call.WriteAsync(answer.Status, type, answer.Body);
        }
        else
        {
            call.Response.StatusCode = answer.Status;
        }
    }
}
