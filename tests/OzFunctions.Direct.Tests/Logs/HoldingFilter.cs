using System.Buffers;
using OzFunctions.Direct.Logs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>Replaces <c>key</c>, also over pieces: it holds back an end that could be its beginning.</summary>
internal sealed class HoldingFilter : IOutputFilter
{
    private readonly Dictionary<SpoolStream, byte[]> _held = [];

    public void Write(SpoolStream stream, ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        byte[] all = [.. Held(stream).Span, .. bytes];
        var rest = all.AsSpan();
        for (int at; (at = rest.IndexOf("key"u8)) >= 0; rest = rest[(at + 3)..])
        {
            output.Write(rest[..at]);
            output.Write("***"u8);
        }

        var hold = rest.EndsWith("ke"u8) ? 2 : rest.EndsWith("k"u8) ? 1 : 0;
        output.Write(rest[..^hold]);
        _held[stream] = rest[^hold..].ToArray();
    }

    public void Complete(SpoolStream stream, IBufferWriter<byte> output)
    {
        output.Write(Held(stream).Span);
        _held.Remove(stream);
    }

    public ReadOnlyMemory<byte> Held(SpoolStream stream) => _held.GetValueOrDefault(stream);
}
