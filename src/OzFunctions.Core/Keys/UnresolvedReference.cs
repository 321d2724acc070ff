namespace OzFunctions.Keys;

/// <summary>
/// A setting whose reference to a vault was not resolved: Azure leaves the reference's own text in its place (https://learn.microsoft.com/azure/app-service/app-service-key-vault-references).
/// Taken for the secret it would be one that everybody can read who reads the deployment.
/// </summary>
public static class UnresolvedReference
{
    private static readonly (string Beginning, string Name, string Role)[] Kinds =
    [
        ("@Microsoft.KeyVault(", "Key Vault", "Key Vault Secrets User on the secret"),
        ("@Microsoft.AppConfiguration(", "App Configuration", "App Configuration Data Reader on the store"),
    ];

    /// <summary>What to do about a value that is such a reference, without repeating it; null: it is none.</summary>
    public static string? FindFault(string value)
    {
        var trimmed = value.AsSpan().Trim();
        foreach (var (beginning, name, role) in Kinds)
        {
            if (trimmed.StartsWith(beginning, StringComparison.OrdinalIgnoreCase))
            {
                return $"is a {name} reference that was not resolved, so its own text stands where the secret should; the app's identity needs the role {role}, and its network a way "
                    + "there; the portal says beside the setting (Environment variables) what is missing. Azure asks again when a setting is changed, else once a day";
            }
        }

        return null;
    }
}
