using System.Buffers;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// The single place that every byte of output passes before it is observed, rendered or stored. One instance serves one reader of the output.
/// A filter may hold back the end of a stream that could be the beginning of something; it must be able to tell what it holds, so that a
/// crashed host's successor can go on from the middle.
/// </summary>
internal interface IOutputFilter
{
    /// <summary>Takes the next bytes of a stream and writes what may leave.</summary>
    void Write(SpoolStream stream, ReadOnlySpan<byte> bytes, IBufferWriter<byte> output);

    /// <summary>The stream is over, or will not go on in the same line: writes what was held back.</summary>
    void Complete(SpoolStream stream, IBufferWriter<byte> output);

    /// <summary>What is held back, as it was taken in: a new filter that is given it goes on as this one would have.</summary>
    ReadOnlyMemory<byte> Held(SpoolStream stream);
}
