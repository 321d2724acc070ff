using System.Text.Json;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Environments;

/// <summary>Puts the host's secrets where a request only names them.</summary>
internal sealed class HostSecrets(IReadOnlyDictionary<string, string> secrets)
{
    public string Get(string name) => secrets.TryGetValue(name, out var value)
        ? value
        : throw new RunRefusedException($"This host has no secret named '{name}'. Add it to secrets[] of the host, or send the run to a worker that has it.");

    /// <summary>Resolves <c>${secret:NAME}</c> inside the strings of a JSON text.</summary>
    public string ResolveInJson(string json) => SecretReferences.Replace(json, name => JsonEncodedText.Encode(Get(name)).ToString());
}
