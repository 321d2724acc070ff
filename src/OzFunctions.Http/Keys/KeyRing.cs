using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using OzFunctions.Keys;

namespace OzFunctions.Http.Keys;

/// <summary>The keys that open the front door.</summary>
public sealed class KeyRing(IReadOnlyList<ApiKey> keys)
{
    private const string Scheme = "Bearer ";
    private const int LongestHeader = 4096;

    /// <summary>The key of the call, from <c>Authorization: Bearer …</c>; null: none, or one that nobody knows.</summary>
    /// <remarks>Every key is compared, in constant time: how long it takes says nothing about which one nearly fits.</remarks>
    public ApiKey? Find(IHeaderDictionary headers)
    {
        if (headers.Authorization is not [{ Length: < LongestHeader } header] || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var hash = KeyText.Hash(header[Scheme.Length..].Trim());
        ApiKey? found = null;
        foreach (var key in keys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, key.Sha256.Span))
            {
                found ??= key;
            }
        }

        return found;
    }
}
