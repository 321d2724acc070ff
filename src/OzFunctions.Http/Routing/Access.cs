using OzFunctions.Keys;

namespace OzFunctions.Http.Routing;

/// <summary>Who may call a route.</summary>
public readonly record struct Access
{
    private Access(AccessKind kind, KeyScopes scope) => (Kind, Scope) = (kind, scope);

    public AccessKind Kind { get; }

    public KeyScopes Scope { get; }

    /// <summary>Anybody, by any host name: says nothing but that the process lives. Health is the only such thing.</summary>
    public static Access Health => new(AccessKind.Health, KeyScopes.None);

    /// <summary>Anybody who comes by a known host name: a page that holds no data.</summary>
    public static Access Page => new(AccessKind.Page, KeyScopes.None);

    /// <summary>The endpoint itself checks a signature over the raw body.</summary>
    public static Access Signed => new(AccessKind.Signed, KeyScopes.None);

    /// <summary>A key with this scope.</summary>
    public static Access Key(KeyScopes scope) => new(AccessKind.Key, scope);
}

public enum AccessKind
{
    Health,
    Page,
    Signed,
    Key,
}
