using OzFunctions.Shim.Native;

namespace OzFunctions.Shim;

/// <summary>What the process does to itself before anything else.</summary>
internal static unsafe class ProcessSetup
{
    private const int Core = 4;
    public const int OpenFiles = 7;
    public const ulong UsualOpenFiles = 1024;
    private const int Locks = 10;
    private const int ResidentSize = 5;
    private const ulong SmallestTag = 1UL << 32;

    /// <summary>A SIGCHLD that was ignored by our parent would lose every exit code; nothing polite ends this process.</summary>
    public static void Signals()
    {
        const int Hup = 1;
        const int Quit = 3;
        const int Pipe = 13;
        const int Child = 17;
        const nint Default = 0;
        const nint Ignore = 1;
        _ = Libc.Signal(Child, Default);
        foreach (var signal in (ReadOnlySpan<int>)[Hup, Libc.SigInt, Quit, Pipe, Libc.SigTerm])
        {
            _ = Libc.Signal(signal, Ignore);
        }
    }

    public static void OwnDescriptorsAndSession()
    {
        const int CloseRange = 436;
        const int CloseOnExecOnly = 4;
        const int ChildSubreaper = 36;

        // 0 to 2 must be taken, or a pipe lands there.
        int file;
        while ((file = Libc.Open("/dev/null", Libc.OReadWrite, 0)) is >= 0 and <= 2)
        {
        }

        _ = Libc.Close(file);
        _ = Libc.CloseRange(CloseRange, 3, int.MaxValue, CloseOnExecOnly);

        // Fails when the launcher made the session already.
        _ = Libc.SetSid();
        if (Libc.Prctl(ChildSubreaper, 1, 0, 0, 0) != 0)
        {
            throw new StartException("This kernel has no child subreapers");
        }
    }

    /// <summary>
    /// Takes the limit of open files for itself, and with it for all that it starts, which saves each command a program in between. False where this process may need
    /// more itself, or may not have so many: then each command takes it, and says what is wrong.
    /// </summary>
    public static bool TryLimitOpenFiles(int? most)
    {
        var limits = stackalloc ulong[] { (ulong)(most ?? 0), (ulong)(most ?? 0) };
        return limits[0] >= UsualOpenFiles && Libc.SetLimit(OpenFiles, limits) == 0;
    }

    /// <summary>Limits the core files of commands; this process cannot be dumped anyway.</summary>
    public static void CoreFiles(long bytes)
    {
        var limits = stackalloc ulong[2];
        if (Libc.GetLimit(Core, limits) == 0)
        {
            limits[0] = limits[1] = Math.Min((ulong)bytes, limits[1]);
            _ = Libc.SetLimit(Core, limits);
        }
    }

    /// <summary>
    /// Sets the limits that commands inherit and answers the tag: a random number in the hard limit RLIMIT_LOCKS, which the kernel enforces nowhere, every descendant
    /// inherits and anyone may read. 0 when the limit leaves no room for one.
    /// </summary>
    public static long LimitsAndTag()
    {
        var limits = stackalloc ulong[2];

        // The runtime of the host raised the soft limit to the hard one; programs that close "all" descriptors suffer from that.
        if (Libc.GetLimit(OpenFiles, limits) == 0)
        {
            limits[0] = Math.Min(UsualOpenFiles, limits[1]);
            _ = Libc.SetLimit(OpenFiles, limits);
        }

        ulong tag;
        if (Libc.GetRandom((byte*)&tag, sizeof(ulong), 0) != sizeof(ulong))
        {
            return 0;
        }

        tag = (tag >> 2) | (1UL << 61);
        if (Libc.GetLimit(Locks, limits) == 0 && limits[1] is >= SmallestTag * 2 and < 1UL << 62)
        {
            // Inside another shim. Smaller, because without root nothing else is allowed, and so that with root too the tags of a nest fall from outside to inside.
            var outer = limits[1];
            tag = SmallestTag + (tag % (outer - SmallestTag));
            KeepOuterTags(outer);
        }

        limits[0] = limits[1] = tag;
        return Libc.SetLimit(Locks, limits) == 0 ? (long)tag : 0;
    }

    /// <summary>
    /// What this shim starts belongs to the shims around it as well and must be found when one of them is shot: another limit that the kernel enforces nowhere, RLIMIT_RSS,
    /// carries the outermost tag in its hard and the next outer one in its soft value. In nests of four and more those in between are known to their neighbours only.
    /// </summary>
    private static void KeepOuterTags(ulong outer)
    {
        var limits = stackalloc ulong[2];
        if (Libc.GetLimit(ResidentSize, limits) == 0)
        {
            limits[1] = limits[1] is >= SmallestTag and < 1UL << 62 ? limits[1] : outer;
            limits[0] = Math.Min(outer, limits[1]);
            _ = Libc.SetLimit(ResidentSize, limits);
        }
    }
}
