using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using OzFunctions.Blobs;
using ETag = OzFunctions.Blobs.ETag;

namespace OzFunctions.AzureStorage;

/// <summary>
/// Blobs in the container <c>ozfunctions</c>, which is made on the first write. Ages are by the service's clock. Reading and listing here;
/// <c>AzureBlobStore.Writing.cs</c> holds the rest.
/// </summary>
public sealed partial class AzureBlobStore(StorageAccount account) : IBlobStore
{
    private const int LargestPage = 5000;

    private readonly BlobContainerClient _container = account.Container;
    private readonly StorageCalls _calls = account.Calls;
    private readonly ReadLinks _links = new(account);

    public async Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => (await ReadAsync(name, known: null, cancellationToken)).Blob;

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => ReadAsync(name, known, cancellationToken);

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken)
    {
        var blob = Client(name);
        return _calls.RunAsync((_, token) => FindPropertiesAsync(name, blob, token), cancellationToken);
    }

    public async Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (count is { } most)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(most);
        }

        return await BlobReadStream.OpenAsync(Client(name), _calls, offset, count, cancellationToken);
    }

    public async Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        var stored = prefix.Length == 0 ? null : AzureNames.EncodePrefix(prefix);
        return await _calls.RunAsync((_, token) => ListPageAsync(stored, continuation, Math.Min(most, LargestPage), token), cancellationToken);
    }

    public Uri GetAddress(string name) => new(Client(name).Uri.GetLeftPart(UriPartial.Path));

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => _links.FindAsync(Client(name), lifetime, cancellationToken);

    private static BlobChange Absent => new(true, null);

    private Task<BlobChange> ReadAsync(string name, ETag? known, CancellationToken cancellationToken)
    {
        var blob = Client(name);
        var options = new BlobDownloadOptions { Conditions = known is { } etag ? new() { IfNoneMatch = new(etag.Value) } : null };
        return _calls.RunAsync(
            async (_, token) =>
            {
                try
                {
                    var answer = await blob.DownloadContentAsync(options, token);
                    var raw = answer.GetRawResponse();
                    if (raw.Status == 304)
                    {
                        return BlobChange.None;
                    }

                    var details = answer.Value.Details;
                    var content = answer.Value.Content.ToMemory();
                    return new(true, new Blob
                    {
                        Name = name,
                        ETag = TagOf(details.ETag),
                        Length = content.Length,
                        Age = AgeOf(raw, details.LastModified),
                        AsOf = raw.Headers.Date,
                        Metadata = BlobWrite.Read(details.Metadata),
                        Content = content,
                    });
                }
                catch (RequestFailedException ex) when (ex.Status == 304)
                {
                    return BlobChange.None;
                }
                catch (RequestFailedException ex) when (IsAbsent(ex))
                {
                    return Absent;
                }
            },
            cancellationToken);
    }

    private static async Task<BlobEntry?> FindPropertiesAsync(string name, BlobBaseClient blob, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await blob.GetPropertiesAsync(cancellationToken: cancellationToken);
            var properties = answer.Value;
            return new()
            {
                Name = name,
                ETag = TagOf(properties.ETag),
                Length = properties.ContentLength,
                Age = AgeOf(answer.GetRawResponse(), properties.LastModified),
                AsOf = answer.GetRawResponse().Headers.Date,
                Metadata = BlobWrite.Read(properties.Metadata),
            };
        }
        catch (RequestFailedException ex) when (IsAbsent(ex))
        {
            return null;
        }
    }

    private async Task<BlobPage> ListPageAsync(string? prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var page in _container.GetBlobsAsync(BlobTraits.Metadata, BlobStates.None, prefix, cancellationToken).AsPages(continuation, most))
            {
                var raw = page.GetRawResponse();
                var entries = new List<BlobEntry>(page.Values.Count);
                foreach (var item in page.Values)
                {
                    if (IsDirectory(item))
                    {
                        continue;
                    }

                    entries.Add(new()
                    {
                        Name = AzureNames.Decode(item.Name),
                        ETag = TagOf(item.Properties.ETag!.Value),
                        Length = item.Properties.ContentLength ?? 0,
                        Age = AgeOf(raw, item.Properties.LastModified!.Value),
                        AsOf = raw.Headers.Date,
                        Metadata = BlobWrite.Read(item.Metadata),
                    });
                }

                return new(entries, page.ContinuationToken is { Length: > 0 } next ? next : null);
            }
        }
        catch (RequestFailedException ex) when (IsAbsent(ex))
        {
            // No container yet: nothing is in it.
        }

        return new([], null);
    }

    /// <summary>An account with hierarchical namespace lists directories between its blobs; one with something in it cannot be deleted, and none is a blob of ours.</summary>
    private static bool IsDirectory(BlobItem item) => item.Metadata is { } metadata && metadata.TryGetValue("hdi_isfolder", out var folder) && folder == "true";

    private BlobClient Client(string name) => _container.GetBlobClient(AzureNames.Encode(name));

    private static ETag TagOf(Azure.ETag etag) => new(etag.ToString("H"));

    /// <summary>By the service's own clock (protocol L3): both times are of one response, to the second.</summary>
    private static TimeSpan AgeOf(Response response, DateTimeOffset lastModified) =>
        response.Headers.Date is { } now && now > lastModified ? now - lastModified : TimeSpan.Zero;

    private static bool IsAbsent(RequestFailedException failed) =>
        failed.Status == 404 && failed.ErrorCode is StorageFaults.BlobNotFound or StorageFaults.ContainerNotFound;
}
