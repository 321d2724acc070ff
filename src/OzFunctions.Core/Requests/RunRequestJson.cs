using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Requests;

/// <summary>The JSON of a request, and the hash that tells whether two requests ask for the same.</summary>
public static class RunRequestJson
{
    /// <summary>The wire form, UTF-8.</summary>
    public static byte[] Serialize(RunRequest request) => JsonSerializer.SerializeToUtf8Bytes(request, RunJson.Wire.RunRequest);

    /// <summary>
    /// SHA-256, lower-case hex, of what the request asks for: without its idempotency key, entries of maps in order of their names,
    /// sharing in canonical form, empty lists and maps left out. Another hash under the same key is <c>request_differs</c>.
    /// </summary>
    public static string Hash(RunRequest request) => Convert.ToHexStringLower(SHA256.HashData(Serialize(request with
    {
        IdempotencyKey = null,
        Share = Filled(request.Share?.Select(share => ShareTarget.TryParse(share, out var target) ? target.ToString() : share)),
        Mcp = Filled(request.Mcp),
        Artifacts = Filled(request.Artifacts),
        Metadata = Sorted(request.Metadata),
        Env = Sorted(request.Env),
    })));

    private static List<string>? Filled(IEnumerable<string>? list) => list?.ToList() is { Count: > 0 } filled ? filled : null;

    private static SortedDictionary<string, T>? Sorted<T>(IReadOnlyDictionary<string, T>? map) =>
        map is { Count: > 0 } ? new SortedDictionary<string, T>(map.ToDictionary(), StringComparer.Ordinal) : null;
}
