using System.Runtime.CompilerServices;
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
internal sealed class TelemetryExport : IDisposable
{
    private static readonly string[] Known = ["otlp", "prometheus", "none"];
    private readonly IDisposable?[] _providers;

    private TelemetryExport(params IDisposable?[] providers) => _providers = providers;

    /// <param name="source">What the process is called: <c>oz-agent-worker</c> as the vendor's, so that its dashboards find it.</param>
    public static TelemetryExport Start(CommandContext context, OzMetrics metrics, string workerId)
    {
        var (wantsMetrics, wantsTraces) = Asked(context.Surroundings);
        foreach (var name in (string[])["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"])
        {
            if (context.Surroundings.Variable(name) is { } exporter && !Known.Contains(exporter))
            {
                context.Screen.Warn($"{name}: '{exporter}' is not there; otlp, none{(name.Contains("METRICS", StringComparison.Ordinal) ? ", prometheus" : "")} are. Nothing is exported.");
            }
        }

        if (!wantsMetrics && !wantsTraces)
        {
            return new();
        }

        try
        {
            return Load(metrics, workerId, wantsMetrics, wantsTraces);
        }
        catch (Exception ex) when (ex is ArgumentException or InvalidOperationException or NotSupportedException or UriFormatException or IOException)
        {
            context.Screen.Warn($"telemetry is not exported: {ex.Message}");
            return new();
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
            provider?.Dispose();
        }
    }

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
    private static TelemetryExport Load(OzMetrics metrics, string workerId, bool wantsMetrics, bool wantsTraces)
    {
        var resource = ResourceBuilder.CreateDefault()
            .AddService("oz-agent-worker", serviceVersion: VersionCommand.Version, autoGenerateServiceInstanceId: true)
            .AddAttributes(new Dictionary<string, object> { ["worker.id"] = workerId, ["worker.backend"] = "direct" })
            .AddEnvironmentVariableDetector();
        var tracer = wantsTraces
            ? Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(OzTelemetry.Name).AddOtlpExporter().Build()
            : null;
        var meter = wantsMetrics
            ? Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(OzTelemetry.Name).AddOtlpExporter(Cumulative).Build()
            : null;
        if (meter is not null)
        {
            metrics.Prime();
        }

        return new(tracer, meter);
    }

    private static void Cumulative(OtlpExporterOptions options, MetricReaderOptions reader) => reader.TemporalityPreference = MetricReaderTemporalityPreference.Cumulative;
}
