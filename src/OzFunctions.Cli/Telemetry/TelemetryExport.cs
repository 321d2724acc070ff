using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Machine;
using OzFunctions.Telemetry;

namespace OzFunctions.Cli.Telemetry;

/// <summary>
/// Metrics and spans by OTLP, asked for by the standard variables <c>OTEL_METRICS_EXPORTER</c>, <c>OTEL_TRACES_EXPORTER</c> and <c>OTEL_EXPORTER_OTLP_*</c>. Nothing of
/// it is loaded while nobody asks. An exporter that cannot be made is a warning, never the end of a host (facts F1.13).
/// </summary>
internal sealed partial class TelemetryExport : IDisposable
{
    private static readonly string[] Known = ["otlp", "prometheus", "none"];

    /// <summary>How long the end of a call waits for its spans to be taken, where nobody says it. A host has the five seconds of the SDK for each signal.</summary>
    private static readonly TimeSpan CallMayWait = TimeSpan.FromSeconds(2);

    private readonly IDisposable?[] _providers;
    private readonly TimeSpan? _mayWait;

    private TelemetryExport(TimeSpan? mayWait, params IDisposable?[] providers) => (_mayWait, _providers) = (mayWait, providers);

    /// <summary>For a host.</summary>
    /// <param name="surroundings">With the variables.</param>
    /// <param name="metrics">What is measured.</param>
    /// <param name="workerId">An attribute of the resource.</param>
    /// <param name="logger">Takes warnings.</param>
    public static TelemetryExport Start(Surroundings surroundings, OzMetrics metrics, string workerId, ILogger logger) => Start(surroundings, metrics, workerId, logger, ofCall: false);

    /// <summary>For one call of a command: spans only, as its figures are no host's. Disposing it takes two seconds at most, or what <c>OTEL_BSP_EXPORT_TIMEOUT</c> says, whatever becomes of them.</summary>
    /// <param name="surroundings">With the variables.</param>
    /// <param name="worker">The worker whose work the call does; null: it only asks for it.</param>
    /// <param name="logger">Takes warnings.</param>
    public static TelemetryExport StartCall(Surroundings surroundings, string? worker, ILogger logger) => Start(surroundings, metrics: null, worker, logger, ofCall: true);

    /// <summary>The same for a command that asks for work and does none.</summary>
    public static TelemetryExport StartCall(CommandContext context) => StartCall(context.Surroundings, worker: null, context.Loggers(LogLevel.Warning).CreateLogger("OzFunctions.Cli"));

    private static TelemetryExport Start(Surroundings surroundings, OzMetrics? metrics, string? workerId, ILogger logger, bool ofCall)
    {
        var (wantsMetrics, wantsTraces) = Asked(surroundings);
        foreach (var name in (string[])(metrics is null ? ["OTEL_TRACES_EXPORTER"] : ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"]))
        {
            if (surroundings.Variable(name) is { } exporter && !KnownOf(name).Contains(exporter))
            {
                NotKnown(logger, name, exporter, string.Join(", ", KnownOf(name)));
            }
        }

        wantsMetrics &= metrics is not null;
        TimeSpan? mayWait = ofCall ? WaitOfCall(surroundings) : null;
        if (!wantsMetrics && !wantsTraces)
        {
            return new(mayWait);
        }

        try
        {
            return new(mayWait, Load(surroundings, wantsMetrics ? metrics : null, workerId, wantsTraces));
        }
        catch (Exception ex) when (ex is ArgumentException or InvalidOperationException or NotSupportedException or UriFormatException or IOException)
        {
            NotExported(logger, ex.Message);
            return new(mayWait);
        }
    }

    /// <summary>Where <c>OTEL_METRICS_EXPORTER=prometheus</c> wants to be scraped; null: it is not asked for.</summary>
    public static string? PrometheusAddress(Surroundings surroundings)
    {
        if (surroundings.Variable("OTEL_METRICS_EXPORTER") != "prometheus")
        {
            return null;
        }

        var host = surroundings.Variable("OTEL_EXPORTER_PROMETHEUS_HOST") ?? "localhost";
        return $"{host}:{surroundings.Variable("OTEL_EXPORTER_PROMETHEUS_PORT") ?? "9464"}";
    }

    public void Dispose()
    {
        foreach (var provider in _providers)
        {
            if (_mayWait is { } most && provider is not null)
            {
                EndSoon(provider, most);
            }

            provider?.Dispose();
        }
    }

    // As with Load. What it has not sent by then is lost: a collector that hangs is not the caller's to wait for.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EndSoon(IDisposable provider, TimeSpan most) => (provider as TracerProvider)?.Shutdown((int)most.TotalMilliseconds);

    /// <summary>A number that is none, or too long a one, says nothing.</summary>
    internal static TimeSpan WaitOfCall(Surroundings surroundings) =>
        int.TryParse(surroundings.Variable("OTEL_BSP_EXPORT_TIMEOUT"), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : CallMayWait;

    /// <summary>Unset means nothing, unlike the vendor's worker: no connection that nobody asked for.</summary>
    internal static (bool Metrics, bool Traces) Asked(Surroundings surroundings)
    {
        if (surroundings.Variable("OTEL_SDK_DISABLED") is { } disabled && disabled.Equals("true", StringComparison.OrdinalIgnoreCase))
        {
            return (false, false);
        }

        var common = surroundings.Variable("OTEL_EXPORTER_OTLP_ENDPOINT") is not null;
        return (
            Wants("OTEL_METRICS_EXPORTER", common || surroundings.Variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") is not null),
            Wants("OTEL_TRACES_EXPORTER", common || surroundings.Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") is not null));

        bool Wants(string name, bool implied) => surroundings.Variable(name) is { } exporter ? exporter == "otlp" : implied;
    }

    // A method of its own: the runtime loads what it names when it is called, and not before.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IDisposable?[] Load(Surroundings surroundings, OzMetrics? metrics, string? workerId, bool wantsTraces)
    {
        var resource = ResourceBuilder.CreateDefault()
            .AddService(workerId is null ? "ozf" : "oz-agent-worker", serviceVersion: VersionCommand.Version, autoGenerateServiceInstanceId: true)
            .AddAttributes(workerId is null ? [] : new Dictionary<string, object> { ["worker.id"] = workerId, ["worker.backend"] = "direct" })
            .AddEnvironmentVariableDetector();
        var tracer = wantsTraces
            ? Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(OzTelemetry.Name).AddOtlpExporter(options => Configure(options, "TRACES", surroundings)).Build()
            : null;
        var meter = metrics is not null
            ? Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(OzTelemetry.Name).AddOtlpExporter(options => Configure(options, "METRICS", surroundings)).Build()
            : null;
        metrics?.Prime();
        return [tracer, meter];
    }

    /// <summary>What the exporter itself does not read, or has another default for: the standard's is <c>http/protobuf</c>, as the vendor's, and each signal has variables of its own.</summary>
    private static void Configure(OtlpExporterOptions options, string signal, Surroundings surroundings)
    {
        options.Protocol = (Own("PROTOCOL") ?? surroundings.Variable("OTEL_EXPORTER_OTLP_PROTOCOL")) == "grpc" ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        if (Own("ENDPOINT") is { } endpoint)
        {
            options.Endpoint = new(endpoint);
        }

        if (Own("HEADERS") is { } headers)
        {
            options.Headers = headers;
        }

        string? Own(string what) => surroundings.Variable($"OTEL_EXPORTER_OTLP_{signal}_{what}");
    }

    /// <summary>Spans are not there to be scraped.</summary>
    private static IEnumerable<string> KnownOf(string variable) => Known.Where(exporter => exporter != "prometheus" || variable == "OTEL_METRICS_EXPORTER");

    [LoggerMessage(LogLevel.Warning, "{Name}: '{Exporter}' is not there, {Others} are; nothing is exported")]
    private static partial void NotKnown(ILogger logger, string name, string exporter, string others);

    [LoggerMessage(LogLevel.Warning, "Telemetry is not exported: {Why}")]
    private static partial void NotExported(ILogger logger, string why);
}
