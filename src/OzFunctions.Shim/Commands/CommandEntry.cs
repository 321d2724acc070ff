using System.Buffers;
using System.Globalization;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>What a process must do to itself before it becomes the command, because it cannot be done to it from outside without a window.</summary>
/// <param name="EntryFile">Of the control group; null: none.</param>
/// <param name="Nice">Null: as the shim.</param>
/// <param name="OpenFiles">Soft and hard limit; null: the usual.</param>
/// <param name="User">Null: the shim's own.</param>
internal sealed record EntryOrders(string? EntryFile, int? Nice, int? OpenFiles, ShimUser? User)
{
    /// <summary>Where there are others, the limit of open files is among them: on its way in, the runtime raises its own.</summary>
    public static EntryOrders Of(ResourceLimits resources, ShimUser? user)
    {
        var orders = new EntryOrders(resources.Group?.EntryFile, resources.Limits.Nice, OpenFiles: null, user);
        return orders.AreEmpty && resources.HoldsOpenFiles ? orders : orders with { OpenFiles = resources.Limits.OpenFiles };
    }

    public bool AreEmpty => EntryFile is null && Nice is null && OpenFiles is null && User is null;

    public byte[] Write(IReadOnlyList<string> arguments, IReadOnlyList<string> environment) => new MessageWriter(ShimMessage.Enter, 0)
        .Text(EntryFile)
        .Optional(Nice)
        .Optional(OpenFiles)
        .User(User)
        .Texts(arguments)
        .Texts(environment)
        .ToArray();
}

/// <summary>
/// The shim's own program once more, between fork and command: enters the control group, takes limits and account, and executes the command under the same pid. It gets its
/// orders by a descriptor and not by its environment or arguments: with root's rights still on, nothing that a run chose may steer this process.
/// </summary>
internal static unsafe class CommandEntry
{
    public const string Argument = "--enter";

    /// <summary>Descriptor with the orders.</summary>
    public const int OrdersDescriptor = 3;

    /// <summary>Descriptor to say on which step failed; it closes when the command is executed.</summary>
    public const int FaultDescriptor = 4;

    private const int Failed = 127;

    /// <summary>Returns only when the command could not be executed.</summary>
    public static int Run()
    {
        const int SetDescriptorFlags = 2;
        const int CloseOnExec = 1;
        if (Libc.Control(FaultDescriptor, SetDescriptorFlags, CloseOnExec) != 0)
        {
            return 64;
        }

        var message = MessageReader.Open(ReadOrders());
        _ = Libc.Close(OrdersDescriptor);
        var (entryFile, nice, openFiles, user) = (message.Text(), (int?)message.Optional(), (int?)message.Optional(), message.User());
        using var arguments = new NativeTexts(message.Texts());
        using var environment = new NativeTexts(message.Texts());
        if ((entryFile is not null && !TryEnter(entryFile) && Fail(EntryStep.Group))
            || (nice is { } value && Libc.SetPriority(0, 0, value) != 0 && Fail(EntryStep.Nice))
            || (!TryLimitFiles(openFiles) && Fail(EntryStep.OpenFiles))
            || (user is not null && !TryBecome(user) && Fail(EntryStep.User)))
        {
            return Failed;
        }

        ResetSignals();
        _ = Libc.Execute(arguments.Pointers[0], arguments.Pointers, environment.Pointers);
        _ = Fail(EntryStep.Execute);
        return Failed;
    }

    /// <summary>A sentence for what went wrong.</summary>
    public static string Explain(EntryStep step, int error, EntryOrders orders, string program) => step switch
    {
        EntryStep.Group => $"{program} cannot be put into its control group {orders.EntryFile}: {Libc.Explain(error)}",
        EntryStep.Nice => $"{program} cannot be given the nice value {Number(orders.Nice)}: {Libc.Explain(error)}",
        EntryStep.OpenFiles => $"{program} cannot be allowed {Number(orders.OpenFiles)} open files: {Libc.Explain(error)}",
        EntryStep.User => $"{program} cannot be run as {orders.User?.Name}: {Libc.Explain(error)}",
        _ => $"{program} cannot be executed{(orders.User is null ? "" : $" as {orders.User.Name}")}: {Libc.Explain(error)}",
    };

    private static string Number(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "";

    private static byte[] ReadOrders()
    {
        var orders = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            nint count;
            fixed (byte* room = orders.GetSpan(4096))
            {
                count = Libc.ReadAt(OrdersDescriptor, room, 4096, orders.WrittenCount);
            }

            if (count <= 0)
            {
                return orders.WrittenSpan.ToArray();
            }

            orders.Advance((int)count);
        }
    }

    private static bool TryEnter(string entryFile)
    {
        var file = Libc.Open(entryFile, Libc.OWriteOnly | Libc.OCloseOnExec, 0);
        fixed (byte* itself = "0"u8)
        {
            return file >= 0 && Libc.Write(file, itself, 1) == 1 && Libc.Close(file) == 0;
        }
    }

    /// <summary>The runtime of this process has raised its own soft limit; without a limit that is undone.</summary>
    private static bool TryLimitFiles(int? openFiles)
    {
        var limits = stackalloc ulong[2];
        if (Libc.GetLimit(ProcessSetup.OpenFiles, limits) != 0)
        {
            return false;
        }

        (limits[0], limits[1]) = openFiles is { } most ? ((ulong)most, (ulong)most) : (Math.Min(ProcessSetup.UsualOpenFiles, limits[1]), limits[1]);
        return Libc.SetLimit(ProcessSetup.OpenFiles, limits) == 0;
    }

    /// <summary>Groups first: without root's user id they cannot be changed any more. All three ids, so that there is no way back.</summary>
    private static bool TryBecome(ShimUser user)
    {
        fixed (int* groups = user.Groups.Count > 0 ? [.. user.Groups] : new int[1])
        {
            return Libc.SetGroups((nuint)user.Groups.Count, groups) == 0
                && Libc.SetGroup(user.Gid, user.Gid, user.Gid) == 0
                && Libc.SetUser(user.Uid, user.Uid, user.Uid) == 0;
        }
    }

    /// <summary>What the runtime of this process ignores would stay ignored in the command.</summary>
    private static void ResetSignals()
    {
        const int SetMask = 2;
        const int Last = 64;
        for (var signal = 1; signal <= Last; signal++)
        {
            // The two that the C library keeps for itself cannot be set; nor those two that nobody can.
            _ = Libc.Signal(signal, 0);
        }

        var none = stackalloc byte[128];
        _ = Libc.SignalsNone(none);
        _ = Libc.SetSignalMask(SetMask, none, null);
    }

    private static bool Fail(EntryStep step)
    {
        var fault = stackalloc int[] { (int)step, Libc.Errno };
        _ = Libc.Write(FaultDescriptor, (byte*)fault, 2 * sizeof(int));
        return true;
    }
}

internal enum EntryStep
{
    Group = 1,
    Nice,
    OpenFiles,
    User,
    Execute,
}
