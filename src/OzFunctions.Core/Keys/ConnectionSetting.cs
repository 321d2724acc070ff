namespace OzFunctions.Keys;

/// <summary>A connection of the function app: one connection string under its name, or below that name the settings of an identity, with an address among them.</summary>
public static class ConnectionSetting
{
    /// <summary>The connection string or the address; null: neither is set. An empty setting is none.</summary>
    /// <param name="part">What the address is called below <paramref name="name"/>.</param>
    /// <exception cref="InvalidOperationException">Both are set: the triggers would take the one, and a person may mean the other.</exception>
    public static string? Choose(string name, string? text, string part, string? address) => (text, address) switch
    {
        ({ Length: > 0 }, { Length: > 0 }) => throw new InvalidOperationException(
            $"{name} and {name}__{part} are both set: a connection is either one connection string or the settings of an identity. Remove {name}, or everything that begins with {name}__."),
        ({ Length: > 0 }, _) => text,
        (_, { Length: > 0 }) => address,
        _ => null,
    };
}
