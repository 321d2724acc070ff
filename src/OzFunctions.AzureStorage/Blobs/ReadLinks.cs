using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;

namespace OzFunctions.AzureStorage;

/// <summary>Links that let their holder read one blob for a while: signed by the account's key, or by a user delegation key where an identity is all there is.</summary>
internal sealed class ReadLinks(StorageAccount account)
{
    /// <summary>Of clocks, between this machine and the service.</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan KeyLifetime = TimeSpan.FromHours(6);

    private UserDelegationKey? _delegation;

    /// <summary>Null: the setting is a signature itself, which cannot sign.</summary>
    public async Task<Uri?> FindAsync(BlobClient blob, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(lifetime, TimeSpan.Zero);
        var until = account.Time.GetUtcNow() + lifetime;
        var wish = new BlobSasBuilder(BlobSasPermissions.Read, until)
        {
            BlobContainerName = blob.BlobContainerName,
            BlobName = blob.Name,
            Resource = "b",
            Protocol = blob.Uri.Scheme == Uri.UriSchemeHttps ? SasProtocol.Https : SasProtocol.None,
        };
        if (blob.CanGenerateSasUri)
        {
            return blob.GenerateSasUri(wish);
        }

        if (!account.HasIdentity)
        {
            return null;
        }

        var key = await GetDelegationAsync(until, cancellationToken);
        return new BlobUriBuilder(blob.Uri) { Sas = wish.ToSasQueryParameters(key, blob.AccountName) }.ToUri();
    }

    private async Task<UserDelegationKey> GetDelegationAsync(DateTimeOffset until, CancellationToken cancellationToken)
    {
        if (_delegation is { } known && known.SignedExpiresOn > until)
        {
            return known;
        }

        var now = account.Time.GetUtcNow();
        var expires = until - now < KeyLifetime ? now + KeyLifetime : until;
        return _delegation = await account.Calls.RunAsync(
            async (_, token) => (await account.Service.GetUserDelegationKeyAsync(now - Skew, expires + Skew, token)).Value, cancellationToken);
    }
}
