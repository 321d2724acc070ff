using System.Buffers.Binary;
using System.Security.Cryptography;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace OzFunctions.AzureStorage;

/// <summary>
/// One streamed upload: up to 4 MiB in one call, more in blocks, several at a time, which one last call makes the blob. The service checks each block's MD5.
/// Readers see all of it or nothing; blocks of an upload that was cut off vanish by themselves after a week. Blocks cannot replace an append blob, as a log is one: it
/// goes before them.
/// </summary>
internal sealed class BlobUpload(
    BlockBlobClient blob, StorageCalls calls, Func<Func<Task<ETag>>, CancellationToken, Task<ETag>> inContainer, string contentType, IDictionary<string, string> metadata)
{
    public const int BlockBytes = 4 << 20;

    /// <summary>Blocks under way; memory is this many blocks and the one that is read.</summary>
    public const int MostAtOnce = 4;

    private const int BytesOfBlockId = 64;

    /// <summary>Of what goes in one call: the client takes no hash of ours there, for it might cut the content up.</summary>
    private static readonly UploadTransferValidationOptions Checked = new() { ChecksumAlgorithm = StorageChecksumAlgorithm.MD5 };

    private readonly Stack<byte[]> _free = new();

    public async Task<(ETag ETag, long Length)> RunAsync(Stream content, CancellationToken cancellationToken)
    {
        var block = new byte[content.CanSeek ? Math.Clamp(content.Length - content.Position + 1, 1, BlockBytes) : BlockBytes];
        var read = await content.ReadAtLeastAsync(block, block.Length, throwOnEndOfStream: false, cancellationToken);
        if (read < block.Length)
        {
            return (await PutAsync(block.AsMemory(0, read), cancellationToken), read);
        }

        return await PutBlocksAsync(content, block, cancellationToken);
    }

    private Task<ETag> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var options = new BlobUploadOptions { HttpHeaders = new() { ContentType = contentType }, Metadata = metadata, TransferValidation = Checked };
        return calls.RunLargeAsync(
            content.Length, (_, token) => inContainer(async () => (await blob.UploadAsync(content.AsStream(), options, token)).Value.ETag, token), cancellationToken);
    }

    private async Task<(ETag ETag, long Length)> PutBlocksAsync(Stream content, byte[] first, CancellationToken cancellationToken)
    {
        // Another host may upload the same name: ids of its blocks are others, and the last list wins whole.
        var ids = new BlockIds();
        var names = new List<string>();
        var underWay = new List<Task<byte[]>>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (block, read, length) = (first, first.Length, 0L);
        try
        {
            while (read > 0)
            {
                var name = ids.Next();
                names.Add(name);
                length += read;
                await MakeRoomAsync(underWay);
                underWay.Add(StageAsync(name, block, read, stop.Token));

                // Read while all that may be under way are: none of them is to end before there is another one to send.
                block = _free.TryPop(out var free) ? free : GC.AllocateUninitializedArray<byte>(BlockBytes);
                read = await content.ReadAtLeastAsync(block, block.Length, throwOnEndOfStream: false, cancellationToken);
            }

            await Task.WhenAll(underWay);
        }
        catch
        {
            await stop.CancelAsync();
            await Task.WhenAll(underWay).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }

        var options = new CommitBlockListOptions { HttpHeaders = new() { ContentType = contentType }, Metadata = metadata };
        var etag = await calls.RunLargeAsync(names.Count * BytesOfBlockId, async (_, token) => (await blob.CommitBlockListAsync(names, options, token)).Value.ETag, cancellationToken);
        return (etag, length);
    }

    /// <summary>Takes back the blocks of uploads that have ended; where none has and no more may be under way, waits for the first.</summary>
    private async Task MakeRoomAsync(List<Task<byte[]>> underWay)
    {
        while (underWay.Count >= MostAtOnce || underWay.Exists(task => task.IsCompleted))
        {
            var done = await Task.WhenAny(underWay);
            underWay.Remove(done);
            _free.Push(await done);
        }
    }

    private async Task<byte[]> StageAsync(string name, byte[] block, int length, CancellationToken cancellationToken)
    {
        // The hash and the copy into the socket are work: not on the thread that reads.
        await Task.Run(
            () =>
            {
                var options = new BlockBlobStageBlockOptions { TransferValidation = ChecksumOf(block.AsSpan(0, length)) };
                return calls.RunLargeAsync(
                    MostAtOnce * BlockBytes,
                    (_, token) => inContainer(
                        async () =>
                        {
                            await StageInPlaceAsync(name, new(block, 0, length), options, token);
                            return default;
                        },
                        token),
                    cancellationToken);
            },
            cancellationToken);
        return block;
    }

    /// <summary>Over the bytes where they lie and once for all tries: the client would copy them through a buffer of its own at each.</summary>
    private static UploadTransferValidationOptions ChecksumOf(ReadOnlySpan<byte> content) =>
        new() { ChecksumAlgorithm = StorageChecksumAlgorithm.MD5, PrecalculatedChecksum = MD5.HashData(content) };

    private async Task StageInPlaceAsync(string name, ReadOnlyMemory<byte> block, BlockBlobStageBlockOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await blob.StageBlockAsync(name, block.AsStream(), options, cancellationToken);
        }
        catch (RequestFailedException ex) when (ex.ErrorCode == StorageFaults.InvalidBlobType)
        {
            await RemoveAppendBlobAsync(cancellationToken);
            await blob.StageBlockAsync(name, block.AsStream(), options, cancellationToken);
        }
    }

    /// <summary>By its version: several blocks meet it at once, and those that one of them has staged meanwhile must stay.</summary>
    private async Task RemoveAppendBlobAsync(CancellationToken cancellationToken)
    {
        try
        {
            var there = (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value;
            if (there.BlobType != BlobType.Block)
            {
                await blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, new() { IfMatch = there.ETag }, cancellationToken);
            }
        }
        catch (RequestFailedException ex) when (ex.Status is 404 or 412)
        {
            // Another block was first.
        }
    }

    /// <summary>Ids of one length, as the service wants them for one blob.</summary>
    private sealed class BlockIds
    {
        private readonly byte[] _id = RandomNumberGenerator.GetBytes(16);
        private int _next;

        public string Next()
        {
            BinaryPrimitives.WriteInt32BigEndian(_id.AsSpan(12), _next++);
            return Convert.ToBase64String(_id);
        }
    }
}
