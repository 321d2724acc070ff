namespace OzFunctions.Logs;

/// <summary>Cuts the bytes of a log that is being appended to into whole lines; half a line at the end waits for its rest.</summary>
internal sealed class LogLines
{
    private byte[] _rest = [];

    /// <summary>All lines that became whole, with their line feeds; empty: none.</summary>
    public ReadOnlyMemory<byte> Add(ReadOnlyMemory<byte> bytes)
    {
        var end = bytes.Span.LastIndexOf((byte)'\n') + 1;
        if (end == 0)
        {
            _rest = [.. _rest, .. bytes.Span];
            return default;
        }

        ReadOnlyMemory<byte> whole = _rest.Length == 0 ? bytes[..end] : (byte[])[.. _rest, .. bytes.Span[..end]];
        _rest = bytes[end..].ToArray();
        return whole;
    }
}
