using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace OzFunctions.Direct.Masking;

/// <summary>Tells text from what is not: valid UTF-8 without NUL.</summary>
internal static class TextCheck
{
    private const int Piece = 64 << 10;
    private const int LongestCharacter = 4;

    /// <summary>Reads at most so many bytes from where the stream stands.</summary>
    public static async Task<bool> IsTextAsync(Stream stream, long most, CancellationToken cancellationToken)
    {
        var buffer = new byte[Piece + LongestCharacter];
        var kept = 0;
        while (true)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(kept, (int)Math.Min(Piece, most)), cancellationToken);
            most -= read;
            var bytes = buffer.AsMemory(0, kept + read);
            if (read == 0)
            {
                return Utf8.IsValid(bytes.Span);
            }

            kept = CutLength(bytes.Span);
            if (bytes.Span.Contains((byte)0) || !Utf8.IsValid(bytes.Span[..^kept]))
            {
                return false;
            }

            bytes[^kept..].CopyTo(buffer);
        }
    }

    /// <summary>How many bytes at the end are the beginning of a character.</summary>
    private static int CutLength(ReadOnlySpan<byte> bytes)
    {
        for (var length = 1; length < LongestCharacter && length <= bytes.Length; length++)
        {
            if (Rune.DecodeFromUtf8(bytes[^length..], out _, out _) == OperationStatus.NeedMoreData)
            {
                return length;
            }
        }

        return 0;
    }
}
