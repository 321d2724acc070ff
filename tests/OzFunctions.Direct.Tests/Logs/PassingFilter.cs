using System.Buffers;
using OzFunctions.Direct.Logs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>Lets everything pass as it is.</summary>
internal sealed class PassingFilter : IOutputFilter
{
    public void Write(SpoolStream stream, ReadOnlySpan<byte> bytes, IBufferWriter<byte> output) => output.Write(bytes);

    public void Complete(SpoolStream stream, IBufferWriter<byte> output)
    {
    }

    public ReadOnlyMemory<byte> Held(SpoolStream stream) => default;
}
