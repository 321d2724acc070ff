using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Cli.Keys;
using OzFunctions.Cli.Stores;
using OzFunctions.Events;
using OzFunctions.Http;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Serving;
using OzFunctions.Http.Webhooks;
using OzFunctions.Keys;
using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Cli.Demo;

/// <summary>The demo's own front door on a free port of loopback, with one webhook, and a sender that has its secret.</summary>
internal sealed class DemoDoor : IAsyncDisposable
{
    private const string Webhook = "notes";

    private readonly FrontDoorServer _server;
    private readonly StandardSignature _signature;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });

    private DemoDoor(FrontDoorServer server, StandardSignature signature)
    {
        _server = server;
        _signature = signature;
    }

    public Uri Address => new(_server.Address, "api/v1/webhooks/" + Webhook);

    public static async Task<DemoDoor> OpenAsync(OpenStore store, RunRequest template, CancellationToken cancellationToken)
    {
        var secret = "whsec_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        var webhook = new WebhookOptions { Name = Webhook, Kind = WebhookKind.Standard, Secrets = [secret], Request = RequestTemplate.Create(template, [])! };

        // What it answers is on the screen; a log line of the forged delivery between the lines there is noise.
        var receiver = new WebhookReceiver([webhook], store.Core, NullLogger<WebhookReceiver>.Instance);

        // Nobody is told the key: the demo's door is there for deliveries, which are signed.
        var key = new ApiKey(KeyText.LocalName, KeyText.Hash(KeyText.Create()), KeyScopes.All);
        var door = new FrontDoor(store.Core, new() { Keys = [key] }, NullLoggerFactory.Instance, new WebhookEndpoints(receiver, publicUrl: null));
        var server = new FrontDoorServer(door, new(IPAddress.Loopback, 0), NullLoggerFactory.Instance);
        await server.StartAsync(cancellationToken);
        return new(server, new([secret]));
    }

    /// <summary>The headers that a sender adds to a body.</summary>
    public IReadOnlyList<(string Name, string Value)> Sign(string id, DateTimeOffset at, string body) =>
    [
        (StandardSignature.IdHeader, id),
        (StandardSignature.TimestampHeader, at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)),
        (StandardSignature.SignatureHeader, _signature.Sign(id, at, Encoding.UTF8.GetBytes(body))),
    ];

    public async Task<(int Status, byte[] Body)> PostAsync(string body, IReadOnlyList<(string Name, string Value)> headers, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, Address) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in headers)
        {
            message.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _client.SendAsync(message, cancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }
}
