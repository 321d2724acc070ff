using System.Buffers;
using OzFunctions.Direct.Logs;
using OzFunctions.Masking;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Masking;

/// <summary>
/// Shows of each line that a command wrote only that there was one. It keeps nothing from one piece to the next, so that what is rendered again, from wherever, comes
/// out the same. Lines of host and shim pass to another filter.
/// </summary>
internal sealed class WithholdingFilter(IOutputFilter own) : IOutputFilter
{
    public void Write(SpoolStream stream, ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        if (IsOwn(stream))
        {
            own.Write(stream, bytes, output);
            return;
        }

        for (var lines = bytes.Count((byte)'\n'); lines > 0; lines--)
        {
            output.Write(Masker.Mask);
            output.Write("\n"u8);
        }
    }

    public void Complete(SpoolStream stream, IBufferWriter<byte> output)
    {
        if (IsOwn(stream))
        {
            own.Complete(stream, output);
        }
    }

    public ReadOnlyMemory<byte> Held(SpoolStream stream) => IsOwn(stream) ? own.Held(stream) : default;

    private static bool IsOwn(SpoolStream stream) => stream is SpoolStream.Host or SpoolStream.Shim;
}
