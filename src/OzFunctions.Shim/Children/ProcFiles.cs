using System.Runtime.InteropServices;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Children;

/// <summary>Reads <c>/proc</c> into memory taken once at start: a supervisor must not need memory while it fights a fork bomb.</summary>
internal sealed unsafe class ProcFiles
{
    private const int MostProcesses = 1 << 17;
    private const int BufferSize = 64 << 10;
    private readonly byte* _names = (byte*)NativeMemory.Alloc(BufferSize);
    private readonly byte* _text = (byte*)NativeMemory.Alloc(BufferSize);
    private readonly byte* _path = (byte*)NativeMemory.Alloc(128);
    private readonly int* _pids = (int*)NativeMemory.Alloc(MostProcesses, sizeof(int));
    private readonly int* _parents = (int*)NativeMemory.Alloc(MostProcesses, sizeof(int));
    private readonly byte* _states = (byte*)NativeMemory.Alloc(MostProcesses);
    private readonly long* _ticks = (long*)NativeMemory.Alloc(MostProcesses, sizeof(long));

    // A byte per pid the kernel can ever give (2^22); untouched pages cost nothing.
    private readonly byte* _marks = (byte*)NativeMemory.AllocZeroed(MostPids);
    private readonly int _self = Libc.GetPid();
    private int _count;

    public const int MostPids = 1 << 22;

    /// <summary>Number of processes the last <see cref="ScanDescendants"/> found.</summary>
    public int Count { get; private set; }

    /// <summary>Processor time that the descendants of the last scan used, they and what they have waited for; of those too that have just ended.</summary>
    public long CpuTicks { get; private set; }

    /// <summary>Pids of the last scan, in its first <see cref="Count"/> entries.</summary>
    public int* Pids => _pids;

    /// <summary>Calls for each process whose parent this is; false when the kernel lacks the <c>children</c> files.</summary>
    public bool TryEachChild(delegate*<int, void> action)
    {
        var tasks = Libc.Open("/proc/self/task", Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
        if (tasks < 0)
        {
            return false;
        }

        var found = true;
        nint length;
        while ((length = Libc.ReadDirectory(tasks, _names, BufferSize)) > 0)
        {
            for (nint at = 0; at < length; at += *(ushort*)(_names + at + 16))
            {
                var thread = Number(_names + at + 19);
                if (thread > 0)
                {
                    found &= TryEachChildOf(thread, action);
                }
            }
        }

        _ = Libc.Close(tasks);
        return found;
    }

    /// <summary>Finds all descendants that still run by the parents in <c>/proc/*/stat</c>; may miss some while the tree changes.</summary>
    public void ScanDescendants()
    {
        ReadAll();
        var changed = true;
        _marks[_self] = 1;
        while (changed)
        {
            changed = false;
            for (var i = 0; i < _count; i++)
            {
                if (_marks[_pids[i]] == 0 && _marks[_parents[i]] != 0)
                {
                    _marks[_pids[i]] = 1;
                    changed = true;
                }
            }
        }

        var kept = 0;
        CpuTicks = 0;
        for (var i = 0; i < _count; i++)
        {
            var pid = _pids[i];
            var descends = _marks[pid] != 0 && pid != _self;
            _marks[pid] = 0;
            CpuTicks += descends ? _ticks[i] : 0;
            if (descends && _states[i] is not ((byte)'Z' or (byte)'X'))
            {
                _pids[kept++] = pid;
            }
        }

        _marks[_self] = 0;
        Count = kept;
    }

    /// <summary>Field 22 of a process' stat; 0 when it is gone.</summary>
    public long StartTicks(int pid)
    {
        var length = ReadFile(pid, "stat"u8);
        var text = new ReadOnlySpan<byte>(_text, Math.Max(0, length));
        var rest = text[(text.LastIndexOf((byte)')') + 1)..];
        for (var field = 2; field < 22 && !rest.IsEmpty; field++)
        {
            rest = rest[(rest.IndexOf((byte)' ') + 1)..];
        }

        return System.Buffers.Text.Utf8Parser.TryParse(rest, out long ticks, out _) ? ticks : 0;
    }

    /// <summary>Resident pages of a process that no file and no other process shares; 0 when it is gone.</summary>
    public long PrivatePages(int pid)
    {
        var rest = new ReadOnlySpan<byte>(_text, Math.Max(0, ReadFile(pid, "statm"u8)));
        Span<long> fields = stackalloc long[3];
        for (var i = 0; i < fields.Length; i++)
        {
            if (!System.Buffers.Text.Utf8Parser.TryParse(rest, out fields[i], out var length) || length == rest.Length)
            {
                return 0;
            }

            rest = rest[(length + 1)..];
        }

        return Math.Max(0, fields[1] - fields[2]);
    }

    private bool TryEachChildOf(int thread, delegate*<int, void> action)
    {
        Path("/proc/self/task/"u8, thread, "children"u8);
        var file = Libc.Open(_path, Libc.OReadOnly | Libc.OCloseOnExec, 0);
        if (file < 0)
        {
            // The thread may be gone; a kernel without the option has no such file for the main thread either.
            return thread != _self;
        }

        var number = 0;
        nint length;
        while ((length = Libc.Read(file, _text, BufferSize)) > 0)
        {
            for (nint i = 0; i < length; i++)
            {
                if (_text[i] is >= (byte)'0' and <= (byte)'9')
                {
                    number = (number * 10) + _text[i] - '0';
                }
                else if (number > 0)
                {
                    action(number);
                    number = 0;
                }
            }
        }

        _ = Libc.Close(file);
        return true;
    }

    private void ReadAll()
    {
        _count = 0;
        var proc = Libc.Open("/proc", Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
        if (proc < 0)
        {
            return;
        }

        nint length;
        while ((length = Libc.ReadDirectory(proc, _names, BufferSize)) > 0)
        {
            for (nint at = 0; at < length; at += *(ushort*)(_names + at + 16))
            {
                var pid = Number(_names + at + 19);
                if (pid is > 0 and < MostPids && _count < MostProcesses)
                {
                    ReadStat(pid);
                }
            }
        }

        _ = Libc.Close(proc);
    }

    private void ReadStat(int pid)
    {
        var length = ReadFile(pid, "stat"u8);
        var text = new ReadOnlySpan<byte>(_text, Math.Max(0, length));

        // The name in parentheses may hold anything, parentheses and blanks too.
        var end = text.LastIndexOf((byte)')');
        if (end < 0 || end + 4 >= text.Length)
        {
            return;
        }

        var parent = Number(_text + end + 4);
        if (parent is >= 0 and < MostPids)
        {
            _pids[_count] = pid;
            _states[_count] = text[end + 2];
            _ticks[_count] = Ticks(text[(end + 4)..]);
            _parents[_count++] = parent;
        }
    }

    /// <summary>Fields 14 to 17, user and system time of itself and of children it waited for; the text begins at field 4.</summary>
    private static long Ticks(ReadOnlySpan<byte> text)
    {
        long ticks = 0;
        for (var field = 4; field <= 17 && !text.IsEmpty; field++)
        {
            if (field >= 14 && System.Buffers.Text.Utf8Parser.TryParse(text, out long value, out _))
            {
                ticks += value;
            }

            var blank = text.IndexOf((byte)' ');
            text = blank < 0 ? [] : text[(blank + 1)..];
        }

        return ticks;
    }

    private int ReadFile(int pid, ReadOnlySpan<byte> name)
    {
        Path("/proc/"u8, pid, name);
        var file = Libc.Open(_path, Libc.OReadOnly | Libc.OCloseOnExec, 0);
        if (file < 0)
        {
            return -1;
        }

        var length = (int)Libc.Read(file, _text, BufferSize - 1);
        _ = Libc.Close(file);
        if (length >= 0)
        {
            _text[length] = 0;
        }

        return length;
    }

    private void Path(ReadOnlySpan<byte> directory, int number, ReadOnlySpan<byte> name)
    {
        var path = new Span<byte>(_path, 128);
        directory.CopyTo(path);
        path = path[directory.Length..];
        _ = System.Buffers.Text.Utf8Formatter.TryFormat(number, path, out var written);
        path[written] = (byte)'/';
        name.CopyTo(path[(written + 1)..]);
        path[written + 1 + name.Length] = 0;
    }

    private static int Number(byte* text)
    {
        var number = 0;
        if (*text is < (byte)'0' or > (byte)'9')
        {
            return -1;
        }

        for (; *text is >= (byte)'0' and <= (byte)'9'; text++)
        {
            number = (number * 10) + *text - '0';
        }

        return number;
    }
}
