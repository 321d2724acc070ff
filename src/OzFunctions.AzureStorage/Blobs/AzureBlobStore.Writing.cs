using Azure;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using OzFunctions.Blobs;
using ETag = OzFunctions.Blobs.ETag;

namespace OzFunctions.AzureStorage;

public sealed partial class AzureBlobStore
{
    private const string LogType = "application/x-ndjson";
    private const string DocumentType = "application/json";
    private const string NoType = "application/octet-stream";

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        WriteAsync(name, content, metadata, new() { IfNoneMatch = Azure.ETag.All }, cancellationToken);

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        WriteAsync(name, content, metadata, new() { IfMatch = new(match.Value) }, cancellationToken);

    public async Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var blob = _container.GetBlockBlobClient(AzureNames.Encode(name));
        var options = new BlobUploadOptions { HttpHeaders = new() { ContentType = TypeOf(name) } };
        return await _calls.RunAsync(
            (_, token) => InContainerAsync(async () => TagOf((await blob.UploadAsync(content.AsStream(), options, token)).Value.ETag), token),
            cancellationToken);
    }

    public async Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var blob = _container.GetAppendBlobClient(AzureNames.Encode(name));
        if (offset == 0)
        {
            await _calls.RunAsync((_, token) => InContainerAsync(() => CreateAppendBlobAsync(blob, token), token), cancellationToken);
        }

        if (content.IsEmpty)
        {
            return (await FindEntryAsync(name, cancellationToken))?.Length == offset;
        }

        var options = new AppendBlobAppendBlockOptions { Conditions = new() { IfAppendPositionEqual = offset } };
        return await _calls.RunAsync(
            content.Length,
            async (tries, token) =>
            {
                try
                {
                    await blob.AppendBlockAsync(content.AsStream(), options, token);
                    return true;
                }
                catch (RequestFailedException ex) when (IsAbsent(ex))
                {
                    return false;
                }
                catch (RequestFailedException ex) when (IsConditionNotMet(ex))
                {
                    return tries.AnswerMayBeLost && await StandsThereAsync(blob, offset, content, token);
                }
            },
            cancellationToken);
    }

    /// <summary>Nothing to do: an append that was answered is durable.</summary>
    public Task FlushAsync(string name, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        var write = new BlobWrite(metadata);
        var upload = new BlobUpload(_container.GetBlockBlobClient(AzureNames.Encode(name)), _calls, InContainerAsync, contentType, write.Metadata);
        var (etag, length) = await upload.RunAsync(content, cancellationToken);
        return new() { Name = name, ETag = TagOf(etag), Length = length, Age = TimeSpan.Zero, Metadata = metadata };
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken)
    {
        var blob = Client(name);
        var conditions = match is { } etag ? new BlobRequestConditions { IfMatch = new(etag.Value) } : null;
        return _calls.RunAsync(
            async (_, token) =>
            {
                try
                {
                    await blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, conditions, token);
                    return true;
                }
                catch (RequestFailedException ex) when (IsAbsent(ex))
                {
                    // Also after an answer that was lost.
                    return true;
                }
                catch (RequestFailedException ex) when (IsConditionNotMet(ex))
                {
                    // Some emulators look at the condition before they look for the blob.
                    return await FindPropertiesAsync(name, blob, token) is null;
                }
            },
            cancellationToken);
    }

    /// <summary>Null: refused.</summary>
    private Task<ETag?> WriteAsync(
        string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, BlobRequestConditions conditions, CancellationToken cancellationToken)
    {
        var blob = _container.GetBlockBlobClient(AzureNames.Encode(name));
        var write = new BlobWrite(metadata);
        var options = new BlobUploadOptions { Metadata = write.Metadata, Conditions = conditions, HttpHeaders = new() { ContentType = TypeOf(name) } };
        return _calls.RunAsync(
            async (tries, token) =>
            {
                try
                {
                    return await InContainerAsync(async () => TagOf((await blob.UploadAsync(content.AsStream(), options, token)).Value.ETag), token);
                }
                catch (RequestFailedException ex) when (IsRefusal(ex))
                {
                    return tries.AnswerMayBeLost ? await FindOwnAsync(blob, write, token) : (ETag?)null;
                }
            },
            cancellationToken);
    }

    /// <summary>After a lost answer: the version that this very write made; null: what stands there is another's.</summary>
    private static async Task<ETag?> FindOwnAsync(BlobBaseClient blob, BlobWrite write, CancellationToken cancellationToken)
    {
        try
        {
            var there = (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value;
            return write.IsIn(there.Metadata) ? TagOf(there.ETag) : null;
        }
        catch (RequestFailedException ex) when (IsAbsent(ex))
        {
            return null;
        }
    }

    /// <summary>After a lost answer: whether these bytes stand at that place.</summary>
    private static async Task<bool> StandsThereAsync(BlobBaseClient blob, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        try
        {
            var there = await blob.DownloadContentAsync(new BlobDownloadOptions { Range = new(offset, content.Length) }, cancellationToken);
            return there.Value.Content.ToMemory().Span.SequenceEqual(content.Span);
        }
        catch (RequestFailedException ex) when (ex.Status is 404 or 416)
        {
            return false;
        }
    }

    /// <summary>One that is there is as good: the append says where it must end.</summary>
    private static async Task<bool> CreateAppendBlobAsync(AppendBlobClient blob, CancellationToken cancellationToken)
    {
        try
        {
            await blob.CreateAsync(
                new AppendBlobCreateOptions { Conditions = new() { IfNoneMatch = Azure.ETag.All }, HttpHeaders = new() { ContentType = LogType } }, cancellationToken);
            return true;
        }
        catch (RequestFailedException ex) when (IsRefusal(ex))
        {
            return false;
        }
    }

    /// <summary>The container is made when a write finds it missing.</summary>
    private async Task<T> InContainerAsync<T>(Func<Task<T>> write, CancellationToken cancellationToken)
    {
        try
        {
            return await write();
        }
        catch (RequestFailedException ex) when (ex.ErrorCode == StorageFaults.ContainerNotFound)
        {
            await _container.CreateIfNotExistsAsync(PublicAccessType.None, cancellationToken: cancellationToken);
            return await write();
        }
    }

    private static bool IsRefusal(RequestFailedException failed) =>
        IsConditionNotMet(failed) || (failed.Status == 409 && failed.ErrorCode == "BlobAlreadyExists") || (failed.Status == 404 && failed.ErrorCode == StorageFaults.BlobNotFound);

    /// <summary>412 also says that somebody holds a lease on the blob: that is no answer to a condition of ours, and asking again at once meets it again.</summary>
    private static bool IsConditionNotMet(RequestFailedException failed) =>
        failed.Status == 412 && failed.ErrorCode is "ConditionNotMet" or "AppendPositionConditionNotMet" or "TargetConditionNotMet";

    private static string TypeOf(string name) => name.EndsWith(".json", StringComparison.Ordinal) ? DocumentType : NoType;
}
