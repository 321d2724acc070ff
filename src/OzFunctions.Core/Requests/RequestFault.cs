namespace OzFunctions.Requests;

/// <summary>One thing wrong with a request or a configuration: where, what stands there, and the rule with the way out.</summary>
/// <param name="Path">Dotted path, <c>env.PATH</c>, <c>share[1]</c>; empty for the whole document.</param>
/// <param name="Value">What stands there, shortened; never a secret. Null when nothing does.</param>
public sealed record RequestFault(string Path, string? Value, string Rule)
{
    public override string ToString() => (Path, Value) switch
    {
        ("", null) => Rule,
        ("", _) => $"'{Value}': {Rule}",
        (_, null) => $"{Path}: {Rule}",
        _ => $"{Path}: '{Value}': {Rule}",
    };
}

/// <summary>Answer of a check: a request, or every fault at once.</summary>
public sealed record CheckedRequest(RunRequest? Request, IReadOnlyList<RequestFault> Faults)
{
    public bool IsValid => Request is not null && Faults.Count == 0;

    /// <summary>The trace of the CloudEvent that brought it; null where there is none.</summary>
    public string? Traceparent { get; init; }
}
