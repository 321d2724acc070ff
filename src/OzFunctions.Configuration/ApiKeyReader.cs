using System.Text.RegularExpressions;
using OzFunctions.Keys;
using OzFunctions.Requests;

namespace OzFunctions.Configuration;

/// <summary>Reads <c>api_keys[]</c>.</summary>
internal static partial class ApiKeyReader
{
    private static readonly string[] ScopeNames = ["submit", "read", "cancel", "admin"];

    public static List<ApiKeyConfiguration> Read(Section root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return root.Items("api_keys", entry =>
        {
            var name = ListReaders.Name(
                entry, names, text => text == KeyText.LocalName ? "is the name of the key file's own key; choose another" : SecretReferences.IsName(text) ? null : SecretReferences.NameRule);
            var scopes = ReadScopes(entry);
            if (!entry.Has("sha256"))
            {
                var source = ListReaders.EnvOrFile(entry, entry.Path, "sha256: HASH (ozf keys new), ");
                return name is null || source is null ? null : new ApiKeyConfiguration { Name = name, Source = source, Scopes = scopes };
            }

            var hash = entry.Text("sha256", text => Hash().IsMatch(text) ? null : "must be the 64 hex digits that 'ozf keys new' prints");
            if (entry.Has("env") || entry.Has("file"))
            {
                entry.Text("env");
                entry.Text("file");
                entry.Faults.Add(entry.Path, null, "needs one of sha256, env and file, not several", entry.Line);
            }

            return name is null || hash is null ? null : new ApiKeyConfiguration { Name = name, Sha256 = hash.ToLowerInvariant(), Scopes = scopes };
        });
    }

    private static KeyScopes ReadScopes(Section entry)
    {
        var scopes = KeyScopes.None;
        if (entry.Texts("scopes") is not { } given)
        {
            return KeyScopes.Submit | KeyScopes.Read | KeyScopes.Cancel;
        }

        foreach (var text in given)
        {
            if (ScopeNames.Contains(text))
            {
                scopes |= Enum.Parse<KeyScopes>(text, ignoreCase: true);
            }
            else
            {
                entry.Refuse<string>("scopes", text, "must be of submit, read, cancel and admin" + Suggestion.For(text, ScopeNames));
            }
        }

        if (given.Count == 0)
        {
            entry.Refuse<string>("scopes", null, "is empty; leave it out for submit, read and cancel, or remove the key");
        }

        return scopes;
    }

    [GeneratedRegex(@"\A[0-9a-fA-F]{64}\z")]
    private static partial Regex Hash();
}
