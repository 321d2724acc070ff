using System.Runtime.InteropServices;
using System.Text;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Limits;

/// <summary>
/// Bytes that a directory takes up on its disk. By descriptors and without following links, so that nothing outside is counted, however the tree changes meanwhile; a
/// file of several names counts once. Other file systems mounted below are left out.
/// </summary>
internal sealed unsafe class DirectorySize(string root)
{
    // Deeper directories are not counted: each level holds a descriptor and a buffer open.
    private const int MostLevels = 128;
    private const int BufferSize = 16 << 10;
    private const int BlockSize = 512;
    private const int SymlinkNoFollow = 0x100;
    private const uint BasicFacts = 0x7ff;
    private readonly byte* _statx = (byte*)NativeMemory.AllocZeroed(256);
    private readonly byte*[] _buffers = new byte*[MostLevels];
    private readonly byte[] _root = Encoding.UTF8.GetBytes(root + '\0');
    private readonly int _noFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;
    private long _device;

    /// <summary>0 when it is not there.</summary>
    public long Measure()
    {
        const int CurrentDirectory = -100;
        fixed (byte* name = _root)
        {
            var directory = OpenDirectory(CurrentDirectory, name);
            if (directory < 0)
            {
                return 0;
            }

            byte none = 0;
            const int EmptyPath = 0x1000;
            _device = Libc.Statx(directory, &none, EmptyPath, BasicFacts, _statx) == 0 ? Device : -1;
            return MeasureBelow(directory, 0);
        }
    }

    private long Device => *(long*)(_statx + 136);

    private ushort Mode => *(ushort*)(_statx + 28);

    private uint Links => *(uint*)(_statx + 16);

    private long Blocks => *(long*)(_statx + 48);

    private long MeasureBelow(int directory, int level)
    {
        const ushort KindMask = 0xF000;
        const ushort DirectoryKind = 0x4000;
        var buffer = _buffers[level] == null ? _buffers[level] = (byte*)NativeMemory.Alloc(BufferSize) : _buffers[level];
        long bytes = 0;
        nint length;
        while ((length = Libc.ReadDirectory(directory, buffer, BufferSize)) > 0)
        {
            for (nint at = 0; at < length; at += *(ushort*)(buffer + at + 16))
            {
                var name = buffer + at + 19;
                if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
                {
                    continue;
                }

                if (Libc.Statx(directory, name, SymlinkNoFollow, BasicFacts, _statx) != 0 || Device != _device)
                {
                    continue;
                }

                // Each of several names carries its share.
                var isDirectory = (Mode & KindMask) == DirectoryKind;
                bytes += Blocks * BlockSize / (isDirectory ? 1 : Math.Max(1, Links));
                if (isDirectory && level + 1 < MostLevels)
                {
                    var below = OpenDirectory(directory, name);
                    bytes += below < 0 ? 0 : MeasureBelow(below, level + 1);
                }
            }
        }

        _ = Libc.Close(directory);
        return bytes;
    }

    private int OpenDirectory(int at, byte* name) => Libc.OpenAt(at, name, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec | _noFollow, 0);
}
