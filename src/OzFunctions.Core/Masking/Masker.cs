using System.Buffers;
using System.Text;

namespace OzFunctions.Masking;

/// <summary>Puts <c>***</c> in the place of secrets: every byte of every occurrence, overlapping ones together. Immutable; one serves any number of streams.</summary>
public sealed class Masker
{
    /// <param name="patterns">Found where they stand byte by byte.</param>
    /// <param name="wrapped">Found also where line breaks and indents stand between their bytes; they hold none themselves.</param>
    /// <param name="mostHeld">See <see cref="MaskStream.MostHeld"/>.</param>
    internal Masker(IReadOnlyCollection<byte[]> patterns, IReadOnlyCollection<byte[]> wrapped, int mostHeld = MaskStream.MostHeld)
    {
        Tree = new PatternTree(patterns, wrapped);
        MostHeld = mostHeld + (2 * Tree.Longest);
    }

    /// <summary>Knows no secret.</summary>
    public static Masker None { get; } = new([], []);

    /// <summary>What stands in the place of a secret.</summary>
    public static ReadOnlySpan<byte> Mask => "***"u8;

    /// <summary>Nothing is ever masked.</summary>
    public bool IsEmpty => Tree.IsEmpty;

    internal PatternTree Tree { get; }

    internal int MostHeld { get; }

    /// <summary>A stream of bytes from its beginning.</summary>
    public MaskStream OpenStream() => new(this);

    /// <summary>A whole text. Answers the same object when there is nothing to mask.</summary>
    public string MaskText(string text)
    {
        if (IsEmpty)
        {
            return text;
        }

        var stream = OpenStream();
        var masked = new ArrayBufferWriter<byte>(text.Length + 16);
        stream.Write(Encoding.UTF8.GetBytes(text), masked);
        stream.Complete(masked);
        return stream.Masked == 0 ? text : Encoding.UTF8.GetString(masked.WrittenSpan);
    }
}
