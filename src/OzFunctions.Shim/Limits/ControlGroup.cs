using System.Globalization;
using System.Text;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Limits;

/// <summary>The attempt's own control group (version 2), a leaf below a directory that is delegated to this user. Files that it will need are open from the start.</summary>
internal sealed unsafe class ControlGroup
{
    // pids.max counts threads as well; programs of many threads are common. It is the wall that a bomb cannot outrun between two looks at the number of processes.
    private const int TasksPerProcess = 16;
    private const long CpuPeriod = 100_000;

    // Events of this group alone: memory since kernel 5.2, processes since 6.11.
    private const string LocalSuffix = ".local";
    private readonly int _kill;
    private readonly int _memoryEvents;
    private readonly int _pidsEvents;
    private readonly int _pidsPeak;
    private readonly int _mostTasks;
    private readonly bool _pidsAreOwn;

    private ControlGroup(string path)
    {
        Path = path;
        _kill = Open(path + "/cgroup.kill", Libc.OWriteOnly);
        _memoryEvents = Own(path + "/memory.events");
        _pidsEvents = Own(path + "/pids.events");
        _pidsAreOwn = File.Exists(path + "/pids.events" + LocalSuffix);
        _pidsPeak = Open(path + "/pids.peak", Libc.OReadOnly);
        _mostTasks = Open(path + "/pids.max", Libc.OReadOnly);
    }

    public string Path { get; }

    /// <summary>A process that writes 0 there has entered.</summary>
    public string EntryFile => Path + "/cgroup.procs";

    /// <summary>How often the kernel ended processes of the group for want of memory, also of a group above or of the machine.</summary>
    public long OutOfMemoryKills => Read(_memoryEvents, "oom_kill ");

    /// <summary>How often it was the group's own limit of memory that was used up.</summary>
    public long MemoryExhaustions => Read(_memoryEvents, "oom ");

    /// <summary>
    /// How often the kernel refused a new process or thread for the group's own limit. Kernels before 6.11 count here what the limit of a group above refused as well: 0 then
    /// unless the group was full once, which is told since 6.1.
    /// </summary>
    public long RefusedForks => _pidsAreOwn || _pidsPeak < 0 || _mostTasks < 0 || Read(_pidsPeak, "") >= Read(_mostTasks, "") ? Read(_pidsEvents, "max ") : 0;

    /// <summary>Makes the group and sets what its controllers can hold, which it notes as held; null when it cannot be made.</summary>
    public static ControlGroup? TryMake(string parent, string name, ShimLimits limits, IDictionary<string, string> mechanisms)
    {
        // Each by itself: one that is not to be had does not take the others along.
        foreach (var controller in (ReadOnlySpan<string>)["memory", "pids", "cpu"])
        {
            _ = TryWrite(parent + "/cgroup.subtree_control", "+" + controller);
        }

        var path = $"{parent}/{name}";
        if (MakeDirectory(path) != 0 && !Directory.Exists(path))
        {
            return null;
        }

        if (!File.Exists(path + "/cgroup.procs"))
        {
            _ = RemoveDirectory(path);
            return null;
        }

        // Swap would make the limit of memory a limit of nothing.
        Hold(LimitName.Memory, limits.Memory is { } memory && TryWrite(path + "/memory.max", Number(memory)));
        if (mechanisms.ContainsKey(LimitName.Memory))
        {
            _ = TryWrite(path + "/memory.swap.max", "0");
            _ = TryWrite(path + "/memory.oom.group", "1");
        }

        Hold(LimitName.Processes, limits.Processes is { } processes && TryWrite(path + "/pids.max", Number((long)processes * TasksPerProcess)));
        Hold(LimitName.Cpu, limits.Cpu is { } cpu && TryWrite(path + "/cpu.max", $"{Number((long)(cpu * CpuPeriod))} {Number(CpuPeriod)}"));
        return new ControlGroup(path);

        void Hold(string limit, bool held)
        {
            if (held)
            {
                mechanisms[limit] = LimitMechanism.Cgroup;
            }
        }
    }

    /// <summary>Ends all of it at once: no fork outruns it. Harmless where the kernel is too old for it.</summary>
    public void Kill()
    {
        if (_kill >= 0)
        {
            fixed (byte* one = "1"u8)
            {
                _ = Libc.Write(_kill, one, 1);
            }
        }
    }

    /// <summary>Removes the empty group; one that still holds processes stays for the host's sweep.</summary>
    public void Remove()
    {
        // A process that was just reaped leaves it an instant later.
        for (var tries = 0; RemoveDirectory(Path) != 0 && tries < 20; tries++)
        {
            _ = Libc.Sleep(1_000);
        }
    }

    private static long Read(int file, string name)
    {
        const int Room = 512;
        if (file < 0)
        {
            return 0;
        }

        var text = stackalloc byte[Room];
        var length = Libc.ReadAt(file, text, Room, 0);
        var rest = new ReadOnlySpan<byte>(text, (int)Math.Max(0, length));
        Span<byte> key = stackalloc byte[16];
        key = key[..Encoding.ASCII.GetBytes(name, key)];
        while (!rest.IsEmpty)
        {
            if (rest.StartsWith(key))
            {
                return System.Buffers.Text.Utf8Parser.TryParse(rest[key.Length..], out long value, out _) ? value : 0;
            }

            var end = rest.IndexOf((byte)'\n');
            rest = end < 0 ? [] : rest[(end + 1)..];
        }

        return 0;
    }

    private static bool TryWrite(string path, string value)
    {
        var file = Open(path, Libc.OWriteOnly);
        if (file < 0)
        {
            return false;
        }

        nint written;
        fixed (byte* bytes = Encoding.ASCII.GetBytes(value))
        {
            written = Libc.Write(file, bytes, value.Length);
        }

        _ = Libc.Close(file);
        return written == value.Length;
    }

    private static int Own(string events) => Open(events + LocalSuffix, Libc.OReadOnly) is >= 0 and var file ? file : Open(events, Libc.OReadOnly);

    private static int Open(string path, int flags) => Libc.Open(path, flags | Libc.OCloseOnExec, 0);

    private static int MakeDirectory(string path) => Libc.MakeDirectory(path, 0x1ED);

    private static int RemoveDirectory(string path) => Libc.RemoveDirectory(path);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
