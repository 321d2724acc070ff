using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Up;
using OzFunctions.Hosts;
using OzFunctions.Http;
using OzFunctions.Http.Health;
using OzFunctions.Http.Serving;
using OzFunctions.Telemetry;

namespace OzFunctions.Cli.Telemetry;

/// <summary><c>/healthz</c>, <c>/readyz</c> and <c>/metrics</c> of a host that has no API.</summary>
internal sealed partial class StatusServer : IAsyncDisposable
{
    private static readonly TimeSpan CallsMayEnd = TimeSpan.FromSeconds(2);
    private readonly FrontDoorServer _server;
    private readonly PrometheusText _text;
    private readonly TimeProvider _time;

    private StatusServer(FrontDoorServer server, PrometheusText text, TimeProvider time) => (_server, _text, _time) = (server, text, time);

    public Uri Address => _server.Address;

    /// <summary>Serves what <c>OTEL_METRICS_EXPORTER=prometheus</c> asks for. Null: it is not asked for, or cannot be had, which is a warning and never the end of a host (facts F1.13).</summary>
    public static async Task<StatusServer?> TryStartAsync(WorkerHost host, OzMetrics metrics, CommandContext context, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (TelemetryExport.PrometheusAddress(context.Surroundings) is not { } place)
        {
            return null;
        }

        try
        {
            return await StartAsync("OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT", place, host, metrics, context, loggers, cancellationToken);
        }
        catch (CommandException ex)
        {
            NotServed(loggers.CreateLogger<StatusServer>(), ex.Message);
            return null;
        }
    }

    /// <param name="origin">Who says the place: a flag, or variables.</param>
    /// <param name="place"><c>PORT</c> on loopback, or <c>ADDR:PORT</c>.</param>
    public static async Task<StatusServer> StartAsync(
        string origin, string place, WorkerHost host, OzMetrics metrics, CommandContext context, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var endPoint = int.TryParse(place, out var port) ? ListenAddress.Parse(null, port, origin) : ListenAddress.Parse(place, null, origin);
        var text = new PrometheusText(metrics);
        var server = new FrontDoorServer(FrontDoor.ForStatus(new() { NotReady = host.FindReasons, Metrics = text.Write }, loggers), endPoint, loggers);
        try
        {
            await server.StartAsync(cancellationToken);
        }
        catch (Exception ex) when (ex is SocketException or IOException)
        {
            text.Dispose();
            await server.DisposeAsync();
            throw CommandException.Unavailable($"{origin}: {endPoint} cannot be listened on: {(ex.InnerException ?? ex).Message.TrimEnd('.')}; choose another port (0 picks a free one).");
        }

        return new(server, text, context.Time);
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(CallsMayEnd, _time);
        await _server.StopAsync(deadline.Token);
        await _server.DisposeAsync();
        _text.Dispose();
    }

    [LoggerMessage(LogLevel.Warning, "Metrics are not served: {Why}")]
    private static partial void NotServed(ILogger logger, string why);
}
