using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Commands;

/// <summary>What the shim holds while a process becomes a command: its orders, and the pipe on which it would say what went wrong.</summary>
internal sealed unsafe class EntryPipes
{
    private const int FirstNumber = 16;
    private readonly int _listening;

    private EntryPipes(int orders, int fault, int listening) => (Orders, Fault, _listening) = (orders, fault, listening);

    public int Orders { get; }

    public int Fault { get; }

    /// <summary>Null with errno set when there are no descriptors or no memory.</summary>
    public static EntryPipes? TryOpen(byte[] orders)
    {
        const uint CloseOnExec = 1;
        fixed (byte* name = "orders\0"u8)
        {
            var memory = Raise(Libc.MemoryFile(name, CloseOnExec));
            var ends = stackalloc int[] { -1, -1 };
            if (memory >= 0 && TryFill(memory, orders) && Libc.Pipe(ends, Libc.OCloseOnExec) == 0)
            {
                return new EntryPipes(memory, Raise(ends[1]), ends[0]);
            }

            _ = memory >= 0 ? Libc.Close(memory) : 0;
            return null;
        }
    }

    /// <summary>Closes everything; null: the command is executed, or nothing was said in time.</summary>
    public (EntryStep Step, int Error)? WaitForFault(long atMost)
    {
        _ = Libc.Close(Orders);
        _ = Libc.Close(Fault);
        var fault = stackalloc int[2];
        var entry = new PollEntry { Descriptor = _listening, Wanted = Libc.PollIn };
        var until = Clock.Monotonic + atMost;
        int seen;
        do
        {
            seen = Libc.Poll(&entry, 1, (int)Math.Max(0, until - Clock.Monotonic));
        }
        while (seen < 0 && Libc.Errno == Libc.EIntr);

        var read = seen > 0 ? Libc.Read(_listening, (byte*)fault, 2 * sizeof(int)) : 0;
        _ = Libc.Close(_listening);
        return read == 2 * sizeof(int) ? ((EntryStep)fault[0], fault[1]) : null;
    }

    private static bool TryFill(int memory, byte[] orders)
    {
        fixed (byte* bytes = orders)
        {
            nint written = 0;
            while (written < orders.Length && Libc.WriteAt(memory, bytes + written, orders.Length - written, written) is > 0 and var count)
            {
                written += count;
            }

            return written == orders.Length;
        }
    }

    private static int Raise(int descriptor)
    {
        const int DuplicateCloseOnExec = 1030;
        if (descriptor < 0)
        {
            return descriptor;
        }

        var raised = Libc.Control(descriptor, DuplicateCloseOnExec, FirstNumber);
        _ = Libc.Close(descriptor);
        return raised;
    }
}
