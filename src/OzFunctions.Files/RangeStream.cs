using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Files;

/// <summary>A part of an open file, read by position; takes none of .NET's file locks.</summary>
internal sealed class RangeStream : Stream
{
    private readonly SafeFileHandle _file;
    private readonly long _start;
    private readonly long _end;
    private long _position;

    /// <summary>Owns the file from now on.</summary>
    public RangeStream(SafeFileHandle file, long start, long end)
    {
        (_file, _start, _end, _position) = (file, start, end, start);
    }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _end - _start;

    public override long Position
    {
        get => _position - _start;
        set => _position = _start + NotNegative(value);
    }

    public override int Read(Span<byte> buffer)
    {
        var wanted = (int)Math.Min(buffer.Length, Math.Max(0, _end - _position));
        var read = wanted == 0 ? 0 : RandomAccess.Read(_file, buffer[..wanted], _position);
        _position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var wanted = (int)Math.Min(buffer.Length, Math.Max(0, _end - _position));
        var read = wanted == 0 ? 0 : await RandomAccess.ReadAsync(_file, buffer[..wanted], _position, cancellationToken);
        _position += read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => Position + offset,
        _ => Length + offset,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException("A blob is read only through its stream.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A blob is read only through its stream.");

    protected override void Dispose(bool disposing)
    {
        _file.Dispose();
        base.Dispose(disposing);
    }

    private static long NotNegative(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        return value;
    }
}
