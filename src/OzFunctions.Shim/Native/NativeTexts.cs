using System.Runtime.InteropServices;
using System.Text;

namespace OzFunctions.Shim.Native;

/// <summary>A list of texts as a NULL-terminated <c>char**</c>, in one block.</summary>
internal sealed unsafe class NativeTexts : IDisposable
{
    private readonly byte* _block;

    public NativeTexts(IReadOnlyList<string> texts)
    {
        var pointers = (texts.Count + 1) * sizeof(byte*);
        var size = pointers;
        foreach (var text in texts)
        {
            size += Encoding.UTF8.GetByteCount(text) + 1;
        }

        _block = (byte*)NativeMemory.Alloc((nuint)size);
        var next = _block + pointers;
        for (var i = 0; i < texts.Count; i++)
        {
            Pointers[i] = next;
            var room = new Span<byte>(next, (int)(_block + size - next));
            var length = Encoding.UTF8.GetBytes(texts[i], room);
            room[length] = 0;
            next += length + 1;
        }

        Pointers[texts.Count] = null;
    }

    public byte** Pointers => (byte**)_block;

    public void Dispose() => NativeMemory.Free(_block);
}
