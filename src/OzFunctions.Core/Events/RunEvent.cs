using OzFunctions.Runs;

namespace OzFunctions.Events;

/// <summary>A CloudEvent about a run, rendered (design section 10).</summary>
/// <param name="Id"><c>&lt;run_id&gt;:&lt;attempt&gt;:&lt;kind&gt;</c>, the same at every repeat.</param>
/// <param name="Json">The structured-mode document, UTF-8.</param>
public sealed record RunEvent(string Id, string Type, RunId RunId, ReadOnlyMemory<byte> Json)
{
    /// <summary>The trace of its run; null: it has none.</summary>
    public string? Traceparent { get; init; }
}
