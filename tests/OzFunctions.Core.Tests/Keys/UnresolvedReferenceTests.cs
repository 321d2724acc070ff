using OzFunctions.Keys;

namespace OzFunctions.Core.Tests.Keys;

/// <summary>What Azure leaves in a setting when it could not get the secret.</summary>
public sealed class UnresolvedReferenceTests
{
    [Theory]
    [InlineData("@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/ozf-api-key)", "Key Vault Secrets User")]
    [InlineData(" @microsoft.keyvault(VaultName=acme;SecretName=ozf-api-key)\n", "Key Vault Secrets User")]
    [InlineData("@Microsoft.KeyVault(", "Key Vault Secrets User")]
    [InlineData("@Microsoft.AppConfiguration(Endpoint=https://acme.azconfig.io; Key=ozf-api-key)", "App Configuration Data Reader")]
    public void A_reference_is_refused_with_the_way_out_and_without_being_repeated(string value, string role)
    {
        var fault = UnresolvedReference.FindFault(value)!;

        Assert.Contains("was not resolved", fault, StringComparison.Ordinal);
        Assert.Contains(role, fault, StringComparison.Ordinal);
        Assert.Contains("the portal says", fault, StringComparison.Ordinal);
        Assert.DoesNotContain("acme", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("@Microsoft.KeyVault")]
    [InlineData("a-key-with-@Microsoft.KeyVault(-in-it")]
    [InlineData("https://acme.vault.azure.net/secrets/ozf-api-key")]
    public void Anything_else_is_left_to_whoever_knows_the_setting(string value) => Assert.Null(UnresolvedReference.FindFault(value));
}
