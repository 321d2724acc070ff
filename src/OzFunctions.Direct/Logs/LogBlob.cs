using System.Buffers.Text;
using System.Security.Cryptography;
using OzFunctions.Blobs;

namespace OzFunctions.Direct.Logs;

/// <summary>The stored log: appends at its end, finds out what became of an append whose answer was lost, and keeps the running hash.</summary>
internal sealed class LogBlob(IBlobStore store, string name) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public long Length { get; private set; }

    public string Sha256 => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>Length of what is stored; 0 when nothing is.</summary>
    public async Task<long> MeasureAsync(CancellationToken cancellationToken) =>
        (await store.FindEntryAsync(name, cancellationToken))?.Length ?? 0;

    /// <summary>Goes on behind the first <paramref name="length"/> bytes of what is stored.</summary>
    public async Task ResumeAsync(long length, CancellationToken cancellationToken)
    {
        _hash.GetHashAndReset();
        Length = 0;
        if (length == 0)
        {
            return;
        }

        await using var content = await OpenAsync(0, length, cancellationToken);
        var buffer = new byte[64 << 10];
        while (Length < length)
        {
            var read = await content.ReadAsync(buffer, cancellationToken);
            if (read == 0)
            {
                throw new BlobStoreException($"The log '{name}' ends before byte {length}.", isTransient: true, inner: null);
            }

            _hash.AppendData(buffer, 0, read);
            Length += read;
        }
    }

    /// <summary>Appends, or finds that the bytes stand there already.</summary>
    public async Task<LogAppend> AppendAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var done = 0;
        while (!await store.TryAppendAsync(name, Length + done, content[done..], cancellationToken))
        {
            var length = await MeasureAsync(cancellationToken);
            if (length < Length + done)
            {
                return LogAppend.Shorter;
            }

            var there = (int)Math.Min(content.Length, length - Length);
            if (!await StandsThereAsync(content[..there], cancellationToken))
            {
                return LogAppend.Different;
            }

            done = there;
            if (done == content.Length)
            {
                break;
            }
        }

        _hash.AppendData(content.Span);
        Length += content.Length;
        return LogAppend.Done;
    }

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (Length > 0)
        {
            await store.FlushAsync(name, cancellationToken);
        }
    }

    /// <summary>Number of the last line that is stored; 0 when it has none.</summary>
    public async Task<long> FindLastNumberAsync(long length, CancellationToken cancellationToken)
    {
        const int Most = 512 << 10;
        var from = Math.Max(0, length - Most);
        await using var content = await OpenAsync(from, length - from, cancellationToken);
        using var end = new MemoryStream();
        await content.CopyToAsync(end, cancellationToken);
        var text = end.GetBuffer().AsSpan(0, (int)end.Length).TrimEnd((byte)'\n');
        var line = text[(text.LastIndexOf((byte)'\n') + 1)..];
        return line.StartsWith("{\"n\":"u8) && Utf8Parser.TryParse(line[5..], out long n, out _) ? n : 0;
    }

    public void Dispose() => _hash.Dispose();

    private async Task<bool> StandsThereAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await using var stored = await OpenAsync(Length, content.Length, cancellationToken);
        var bytes = new byte[content.Length];
        var read = await stored.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        return bytes.AsSpan(0, read).SequenceEqual(content.Span);
    }

    private async Task<Stream> OpenAsync(long offset, long count, CancellationToken cancellationToken) =>
        await store.OpenReadAsync(name, offset, count, cancellationToken)
        ?? throw new BlobStoreException($"The log '{name}' is gone.", isTransient: true, inner: null);
}

/// <summary>What became of an append.</summary>
internal enum LogAppend
{
    /// <summary>The bytes stand in the blob.</summary>
    Done,

    /// <summary>The blob lost bytes that were in it.</summary>
    Shorter,

    /// <summary>Other bytes stand there.</summary>
    Different,
}
