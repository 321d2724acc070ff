using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Requests;

/// <summary>Tells whether two requests ask for the same: SHA-256 of the wire form without the idempotency key.</summary>
public static class RequestHash
{
    public static string Of(RunRequest request) =>
        Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(request with { IdempotencyKey = null }, RunJson.Wire.RunRequest)));
}
