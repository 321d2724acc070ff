using OzFunctions.Keys;

namespace OzFunctions.Configuration;

/// <summary>One of <c>api_keys[]</c>: who may call the API, known by the hash of a key or by where the key is kept. One of the two is set.</summary>
internal sealed record ApiKeyConfiguration
{
    public required string Name { get; init; }

    /// <summary>SHA-256 of the key, 64 lower-case hex digits, as <c>ozf keys new</c> prints it.</summary>
    public string? Sha256 { get; init; }

    public SecretSource? Source { get; init; }

    /// <summary>Default: submit, read and cancel.</summary>
    public KeyScopes Scopes { get; init; } = KeyScopes.Submit | KeyScopes.Read | KeyScopes.Cancel;

    public static IEnumerable<string> ScopeNames(KeyScopes scopes) =>
        new[] { KeyScopes.Submit, KeyScopes.Read, KeyScopes.Cancel, KeyScopes.Admin }.Where(scope => scopes.HasFlag(scope)).Select(scope => scope.ToString().ToLowerInvariant());
}
