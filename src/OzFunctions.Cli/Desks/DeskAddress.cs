using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Keys;
using OzFunctions.Keys;

namespace OzFunctions.Cli.Desks;

/// <summary>Which front door <c>--server</c> means, and with which key.</summary>
internal static class DeskAddress
{
    private const string KeyVariable = "OZF_API_KEY";

    public static Uri Parse(string server)
    {
        if (!Uri.TryCreate(server, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0 || address.Query.Length > 0)
        {
            throw CommandException.Usage($"--server: '{(server.Contains('@', StringComparison.Ordinal) ? "…" : server)}': an address such as https://runs.example.com or http://127.0.0.1:7007 is expected, without a user or a query.");
        }

        // Some give the address that the vendor's clients need.
        var path = address.AbsolutePath.TrimEnd('/');
        return new(address.GetLeftPart(UriPartial.Authority) + (path.EndsWith("/api/v1", StringComparison.Ordinal) ? path[..^"/api/v1".Length] : path));
    }

    /// <summary>The flag's file, the variable, or for a front door on this machine the data directory's own.</summary>
    public static string FindKey(Uri address, string? keyFile, string dataDirectory, Surroundings surroundings)
    {
        if (keyFile is not null)
        {
            return KeyFile.Read(Path.GetFullPath(Path.Combine(surroundings.Directory, keyFile)));
        }

        if (surroundings.Variable(KeyVariable) is { } key)
        {
            return UnresolvedReference.FindFault(key) is { } fault ? throw CommandException.Usage($"{KeyVariable}: {fault}.")
                : key.Trim() is { Length: > 0 } trimmed && trimmed.All(character => character is > ' ' and < '\x7f')
                ? trimmed
                : throw CommandException.Usage($"{KeyVariable}: is no key: visible ASCII characters without spaces are expected.");
        }

        var local = KeyFile.PathIn(dataDirectory);
        return address.IsLoopback && File.Exists(local)
            ? KeyFile.Read(local)
            : throw CommandException.Usage($"--server: a key is needed: --key-file FILE or {KeyVariable}{(address.IsLoopback ? $" (there is no {local}; --data names the data directory of 'ozf up')" : "")}.");
    }
}
