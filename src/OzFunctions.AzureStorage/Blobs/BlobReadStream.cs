using Azure;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace OzFunctions.AzureStorage;

/// <summary>
/// Content of one version, a piece at a time: each piece is one call with its tries, so that a connection that breaks in the middle of a gigabyte costs a piece.
/// </summary>
internal sealed class BlobReadStream : Blobs.ForwardStream
{
    private const int Piece = 4 << 20;

    private readonly BlobBaseClient _blob;
    private readonly StorageCalls _calls;
    private readonly ETag? _version;
    private readonly long _end;
    private long _next;
    private ReadOnlyMemory<byte> _rest;

    private BlobReadStream(BlobBaseClient blob, StorageCalls calls, ETag? version, long next, long end, ReadOnlyMemory<byte> rest) =>
        (_blob, _calls, _version, _next, _end, _rest) = (blob, calls, version, next, end, rest);

    /// <summary>Null: there is no such blob.</summary>
    public static Task<BlobReadStream?> OpenAsync(BlobBaseClient blob, StorageCalls calls, long offset, long? count, CancellationToken cancellationToken) =>
        calls.RunLargeAsync(Math.Min(Piece, count ?? Piece), (_, token) => OpenOnceAsync(blob, calls, offset, count, token), cancellationToken);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_rest.IsEmpty && _next < _end)
        {
            var count = Math.Min(Piece, _end - _next);
            var piece = await _calls.RunLargeAsync(count, (_, token) => DownloadAsync(_blob, _next, count, _version, token), cancellationToken);
            _rest = piece.Content.ToMemory();
            _next += _rest.Length;
        }

        var read = Math.Min(buffer.Length, _rest.Length);
        _rest[..read].CopyTo(buffer);
        _rest = _rest[read..];
        return read;
    }

    private static async Task<BlobReadStream?> OpenOnceAsync(BlobBaseClient blob, StorageCalls calls, long offset, long? count, CancellationToken cancellationToken)
    {
        try
        {
            if (count == 0)
            {
                await blob.GetPropertiesAsync(cancellationToken: cancellationToken);
                return Empty(blob, calls);
            }

            var first = await DownloadAsync(blob, offset, Math.Min(Piece, count ?? long.MaxValue), version: null, cancellationToken);
            var content = first.Content.ToMemory();
            var whole = TotalOf(first.Details) ?? offset + content.Length;
            var end = count is { } most ? Math.Min(whole, offset + most) : whole;

            // A log grows while it is read, and every append makes another version of it: what was there stays as it was.
            var version = first.Details.BlobType == BlobType.Append ? (ETag?)null : first.Details.ETag;
            return new(blob, calls, version, offset + content.Length, end, content);
        }
        catch (RequestFailedException ex) when (ex.Status == 404)
        {
            return null;
        }
        catch (RequestFailedException ex) when (ex.Status == 416)
        {
            return Empty(blob, calls);
        }
    }

    private static BlobReadStream Empty(BlobBaseClient blob, StorageCalls calls) => new(blob, calls, null, 0, 0, default);

    private static async Task<BlobDownloadResult> DownloadAsync(BlobBaseClient blob, long offset, long count, ETag? version, CancellationToken cancellationToken)
    {
        var options = new BlobDownloadOptions { Range = new(offset, count), Conditions = version is { } etag ? new() { IfMatch = etag } : null };
        return (await blob.DownloadContentAsync(options, cancellationToken)).Value;
    }

    /// <summary><c>bytes 0-99/1234</c>: the number behind the slash.</summary>
    private static long? TotalOf(BlobDownloadDetails details) =>
        details.ContentRange is { } range && long.TryParse(range.AsSpan(range.IndexOf('/', StringComparison.Ordinal) + 1), System.Globalization.CultureInfo.InvariantCulture, out var total) ? total : null;
}
