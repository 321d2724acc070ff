using System.Buffers;
using OzFunctions.Blobs;
using OzFunctions.Masking;

namespace OzFunctions.Direct.Masking;

/// <summary>Reads at most so many bytes of a text file and gives them out masked.</summary>
internal sealed class MaskingStream(Stream inner, long most, Masker masker) : ForwardStream
{
    private readonly MaskStream _mask = masker.OpenStream();
    private readonly ArrayBufferWriter<byte> _masked = new();
    private readonly byte[] _piece = new byte[64 << 10];
    private long _left = most;
    private int _given;
    private bool _ended;

    /// <summary>How many secrets were masked so far.</summary>
    public long Masked => _mask.Masked;

    public override int Read(Span<byte> buffer)
    {
        while (_given == _masked.WrittenCount && !_ended)
        {
            Take(inner.Read(_piece.AsSpan(0, Next)));
        }

        return Give(buffer);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_given == _masked.WrittenCount && !_ended)
        {
            Take(await inner.ReadAsync(_piece.AsMemory(0, Next), cancellationToken));
        }

        return Give(buffer.Span);
    }

    private int Next => (int)Math.Min(_piece.Length, _left);

    private void Take(int count)
    {
        _masked.ResetWrittenCount();
        _given = 0;
        _left -= count;
        if (count == 0)
        {
            _ended = true;
            _mask.Complete(_masked);
        }
        else
        {
            _mask.Write(_piece.AsSpan(0, count), _masked);
        }
    }

    private int Give(Span<byte> buffer)
    {
        var part = _masked.WrittenSpan[_given..];
        part = part[..Math.Min(part.Length, buffer.Length)];
        part.CopyTo(buffer);
        _given += part.Length;
        return part.Length;
    }
}
