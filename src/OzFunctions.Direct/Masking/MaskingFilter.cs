using System.Buffers;
using OzFunctions.Direct.Logs;
using OzFunctions.Masking;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Masking;

/// <summary>
/// Masks each stream of an attempt by itself. Which secrets are known depends on the stream alone: what is rendered again must come out the same.
/// The host masks its own lines before it writes them, with all that it knows by then.
/// </summary>
internal sealed class MaskingFilter(AttemptMasks masks) : IOutputFilter
{
    private readonly Dictionary<SpoolStream, MaskStream> _streams = [];

    public void Write(SpoolStream stream, ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        if (!_streams.TryGetValue(stream, out var state))
        {
            _streams[stream] = state = MaskerOf(stream).OpenStream();
        }

        state.Write(bytes, output);
    }

    public void Complete(SpoolStream stream, IBufferWriter<byte> output) => _streams.GetValueOrDefault(stream)?.Complete(output);

    public ReadOnlyMemory<byte> Held(SpoolStream stream) => _streams.GetValueOrDefault(stream)?.Held ?? default;

    private Masker MaskerOf(SpoolStream stream) => stream switch
    {
        SpoolStream.SetupOut or SpoolStream.SetupErr or SpoolStream.Host or SpoolStream.Shim => masks.Early,
        _ => masks.Late,
    };
}
