using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OzFunctions.Http.Serving;

/// <summary>Kestrel around a front door, without the generic host: its start costs a command line more than all the rest.</summary>
public sealed class FrontDoorServer : IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly FrontDoor _door;
    private readonly IPEndPoint _endPoint;

    public FrontDoorServer(FrontDoor door, IPEndPoint endPoint, ILoggerFactory loggers)
    {
        (_door, _endPoint) = (door, endPoint);
        var options = new KestrelServerOptions { AddServerHeader = false };
        options.Limits.MaxRequestBodySize = 1 << 21;
        options.Limits.MaxConcurrentConnections = 1_000;
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        options.Listen(endPoint);
        _server = new(Options.Create(options), new SocketTransportFactory(Options.Create(new SocketTransportOptions()), loggers), loggers);
    }

    /// <summary>Where it answers, known once it is started: port 0 becomes the one that was free.</summary>
    public Uri Address { get; private set; } = new("http://localhost/");

    /// <summary>Throws <see cref="IOException"/> when the address is taken or not this machine's.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _server.StartAsync(new Application(_door), cancellationToken);
        var bound = new Uri(_server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First());
        var host = _endPoint.Address.Equals(IPAddress.Any) || _endPoint.Address.Equals(IPAddress.IPv6Any) ? "127.0.0.1" : bound.Host;
        Address = new UriBuilder("http", host, bound.Port).Uri;
    }

    /// <summary>Takes no new calls, lets those in hand end until the token says no, and closes.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(cancellationToken);

    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }

    private sealed class Application(FrontDoor door) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => door.InvokeAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
