using System.Security.Cryptography;
using OzFunctions.Blobs;

namespace OzFunctions.Direct.Artifacts;

/// <summary>Passes at most so many bytes of a file on and hashes them on the way, so that a file is read once.</summary>
internal sealed class HashingStream(Stream inner, long most) : ForwardStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _read;

    public override long Position
    {
        get => _read;
        set => throw new NotSupportedException();
    }

    /// <summary>Lower-case hex of what was read.</summary>
    public string GetSha256() => Convert.ToHexStringLower(_hash.GetCurrentHash());

    public override int Read(Span<byte> buffer)
    {
        var count = inner.Read(buffer[..(int)Math.Min(buffer.Length, most - _read)]);
        _hash.AppendData(buffer[..count]);
        _read += count;
        return count;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await inner.ReadAsync(buffer[..(int)Math.Min(buffer.Length, most - _read)], cancellationToken);
        _hash.AppendData(buffer.Span[..count]);
        _read += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        _hash.Dispose();
        base.Dispose(disposing);
    }
}
