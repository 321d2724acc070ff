using System.Runtime.InteropServices;
using System.Text;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Limits;

/// <summary>
/// Bytes that a directory takes up on its disk. By descriptors and without following links, so that nothing outside is counted, however the tree changes meanwhile; a
/// file of several names counts once, wherever its other names are. Other file systems mounted below are left out.
/// </summary>
internal sealed unsafe class DirectorySize(string root)
{
    /// <summary>Each level holds a descriptor and a buffer open; a tree that is deeper counts as <see cref="TooDeep"/>.</summary>
    public const int MostLevels = 512;

    /// <summary>What cannot be counted must not pass for nothing.</summary>
    public const long TooDeep = long.MaxValue;

    // Beyond it every name of a file counts in full: rather too much than without end in memory.
    private const int MostShared = 1 << 17;
    private const int BufferSize = 16 << 10;
    private const int BlockSize = 512;
    private const int SymlinkNoFollow = 0x100;
    private const uint BasicFacts = 0x7ff;
    private readonly byte* _statx = (byte*)NativeMemory.AllocZeroed(256);
    private readonly byte*[] _buffers = new byte*[MostLevels];
    private readonly byte[] _root = Encoding.UTF8.GetBytes(root + '\0');
    private readonly int _noFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;
    private readonly HashSet<long> _shared = [];
    private long _device;
    private bool _isTooDeep;

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
            _isTooDeep = false;
            _shared.Clear();
            var bytes = MeasureBelow(directory, 0);
            return _isTooDeep ? TooDeep : bytes;
        }
    }

    private long Device => *(long*)(_statx + 136);

    private ushort Mode => *(ushort*)(_statx + 28);

    private uint Links => *(uint*)(_statx + 16);

    private long Inode => *(long*)(_statx + 32);

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

                if ((Mode & KindMask) != DirectoryKind)
                {
                    bytes += Links <= 1 || _shared.Count >= MostShared || _shared.Add(Inode) ? Blocks * BlockSize : 0;
                    continue;
                }

                bytes += Blocks * BlockSize;
                if (level + 1 == MostLevels)
                {
                    _isTooDeep = true;
                    continue;
                }

                var below = OpenDirectory(directory, name);
                bytes += below < 0 ? 0 : MeasureBelow(below, level + 1);
            }
        }

        _ = Libc.Close(directory);
        return bytes;
    }

    private int OpenDirectory(int at, byte* name) => Libc.OpenAt(at, name, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec | _noFollow, 0);
}
