using OzFunctions.Requests;

namespace OzFunctions.Http.Problems;

/// <summary>Ends a call with a problem. The detail is for the caller: a sentence with the way out, no secret, no stack.</summary>
public sealed class ApiException(ApiError error, string detail) : Exception(detail)
{
    public ApiError Error { get; } = error;

    /// <summary>Each thing wrong with the input; empty for problems of another kind.</summary>
    public IReadOnlyList<RequestFault> Faults { get; init; } = [];

    /// <summary>When to try again, for the header <c>Retry-After</c>; null: not said.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>For 405, the methods that are there.</summary>
    public string? Allow { get; init; }

    public static ApiException Invalid(IReadOnlyList<RequestFault> faults) => new(ApiError.InvalidRequest, RequestProblem.Summary(faults)) { Faults = faults };

    public static ApiException Invalid(string path, string? value, string rule) => Invalid([new RequestFault(path, value is null ? null : FaultValue.Shorten(value), rule)]);

    public static ApiException NotFound(string detail) => new(ApiError.ResourceNotFound, detail);
}
