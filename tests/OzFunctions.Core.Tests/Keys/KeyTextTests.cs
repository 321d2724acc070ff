using OzFunctions.Keys;

namespace OzFunctions.Core.Tests.Keys;

/// <summary>What may be a key, for every front door alike.</summary>
public sealed class KeyTextTests
{
    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("nineteen-characters")]
    [InlineData("twenty-characters-ok\n")]
    [InlineData(" twenty-characters-ok")]
    [InlineData("twenty characters no!")]
    [InlineData("zwanzig-Zeichen-und-ä")]
    [InlineData("twenty-characters-ok\x7f")]
    public void A_key_that_can_be_guessed_or_that_no_header_can_bring_is_refused_without_being_repeated(string key)
    {
        var fault = KeyText.FindFault(key)!;

        Assert.Contains("at least 20 visible ASCII characters", fault, StringComparison.Ordinal);
        Assert.True(key.Length < 5 || !fault.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public void A_key_that_was_copied_with_a_sample_is_refused() => Assert.Contains("everybody can read", KeyText.FindFault("change-this-key-before-you-start"), StringComparison.Ordinal);

    [Fact]
    public void A_reference_to_a_vault_is_no_key() =>
        Assert.Contains("Key Vault reference that was not resolved", KeyText.FindFault("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/ozf-api-key)"), StringComparison.Ordinal);

    [Fact]
    public void A_key_of_twenty_visible_characters_and_every_made_one_are_fine()
    {
        Assert.Null(KeyText.FindFault("twenty-characters-ok"));
        Assert.Null(KeyText.FindFault(KeyText.Create()));
    }
}
