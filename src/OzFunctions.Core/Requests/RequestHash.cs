using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Requests;

/// <summary>Tells whether two requests ask for the same; another hash under the same key is <c>request_differs</c>.</summary>
public static class RequestHash
{
    /// <summary>
    /// SHA-256, lower-case hex, of the request's JSON without its idempotency key, entries of maps in order of their names,
    /// sharing in canonical form, empty lists and maps left out.
    /// </summary>
    public static string Of(RunRequest request) => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(Canonical(request), RunJson.Wire.RunRequest)));

    private static RunRequest Canonical(RunRequest request) => request with
    {
        IdempotencyKey = null,
        Share = Filled(request.Share?.Select(share => ShareTarget.TryParse(share, out var target) ? target.ToString() : share)),
        Mcp = Filled(request.Mcp),
        Artifacts = Filled(request.Artifacts),
        Metadata = Sorted(request.Metadata),
        Env = Sorted(request.Env),
    };

    private static List<string>? Filled(IEnumerable<string>? list) => list?.ToList() is { Count: > 0 } filled ? filled : null;

    private static SortedDictionary<string, T>? Sorted<T>(IReadOnlyDictionary<string, T>? map) =>
        map is { Count: > 0 } ? new SortedDictionary<string, T>(map.ToDictionary(), StringComparer.Ordinal) : null;
}
