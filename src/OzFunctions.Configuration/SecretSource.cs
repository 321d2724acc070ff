using System.Text.Json;

namespace OzFunctions.Configuration;

/// <summary>Where a secret value comes from: a variable of the host's environment or a file. Never the value.</summary>
internal sealed record SecretSource
{
    private SecretSource(string? env, string? file) => (Env, File) = (env, file);

    public string? Env { get; }

    public string? File { get; }

    public static SecretSource FromEnv(string name) => new(name, null);

    public static SecretSource FromFile(string path) => new(null, path);

    /// <summary>As it stands in the document.</summary>
    public override string ToString() => Env is not null ? $"{{env: {Env}}}" : $"{{file: {Quote(File!)}}}";

    private static string Quote(string path) =>
        path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-') ? path : JsonSerializer.Serialize(path);
}

/// <summary>A secret with the name that runs, webhooks or callers know it by.</summary>
internal sealed record NamedSecret(string Name, SecretSource Source);
