using System.Runtime.InteropServices;

namespace OzFunctions.AzureStorage;

internal static class MemoryStreams
{
    /// <summary>Reads the bytes where they are; a new one for each try.</summary>
    public static MemoryStream AsStream(this ReadOnlyMemory<byte> content) => MemoryMarshal.TryGetArray(content, out var segment)
        ? new(segment.Array!, segment.Offset, segment.Count, writable: false)
        : new(content.ToArray(), writable: false);
}
