using OzFunctions.Keys;

namespace OzFunctions.Http.Keys;

/// <summary>A key as the front door knows it: never its text, only the SHA-256 of it. Keys are long random texts, so a plain hash cannot be turned back.</summary>
/// <param name="Name">Who uses it; stands in records as <c>asked_by</c> and in idempotency keys.</param>
/// <param name="Sha256">32 bytes.</param>
public sealed record ApiKey(string Name, ReadOnlyMemory<byte> Sha256, KeyScopes Scopes)
{
    public bool Allows(KeyScopes scope) => Scopes.HasFlag(KeyScopes.Admin) || (Scopes & scope) == scope;

    /// <summary>Names no hash.</summary>
    public override string ToString() => Name;
}
