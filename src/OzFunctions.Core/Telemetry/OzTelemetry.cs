using System.Diagnostics;

namespace OzFunctions.Telemetry;

/// <summary>Names of sources, meters, spans and tags (docs/telemetry.md); a contract like the wire's.</summary>
public static class OzTelemetry
{
    /// <summary>Name of the meter and of the source of spans.</summary>
    public const string Name = "OzFunctions";

    public const string SubmitSpan = "ozf.submit";
    public const string RunSpan = "ozf.run";
    public const string PublishSpan = "ozf.publish";
    public const string CallSpan = "ozf.call";

    private const int TraceparentLength = 55;

    /// <summary>Spans; nothing is made while nobody listens.</summary>
    public static ActivitySource Source { get; } = new(Name);

    /// <summary>W3C trace context of a run whose caller brought none: a trace of its own, so that record, log and event can be joined in any case.</summary>
    public static string NewTraceparent() => $"00-{ActivityTraceId.CreateRandom().ToHexString()}-{ActivitySpanId.CreateRandom().ToHexString()}-01";

    /// <summary>W3C trace context that somebody gave; null where it is none, so that nothing else gets into records and events.</summary>
    public static string? FindTraceparent(string? given) => given is { Length: TraceparentLength } && ActivityContext.TryParse(given, null, isRemote: true, out _) ? given : null;

    /// <summary>A span below the run's trace; null while nobody listens.</summary>
    public static Activity? Start(string span, ActivityKind kind, string? traceparent) =>
        ActivityContext.TryParse(traceparent, null, isRemote: true, out var parent) ? Source.StartActivity(span, kind, parent) : Source.StartActivity(span, kind);
}
