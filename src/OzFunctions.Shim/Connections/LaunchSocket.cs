using OzFunctions.Shim.Children;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Connections;

/// <summary>The launching host's connection: comes as standard input, brings the orders, and stays as the first connection.</summary>
internal static unsafe class LaunchSocket
{
    private const int LongestWait = 30_000;

    /// <summary>Moves it where no command gets it and leaves /dev/null as standard input.</summary>
    public static Connection Take()
    {
        const int DuplicateCloseOnExec = 1030;
        const int SetFlags = 4;
        var socket = Libc.Control(0, DuplicateCloseOnExec, 3);
        var nothing = Libc.Open("/dev/null", Libc.OReadOnly | Libc.OCloseOnExec, 0);
        if (socket < 0 || nothing < 0 || Libc.Dup2(nothing, 0) != 0)
        {
            throw new StartException($"Standard input cannot be replaced: {Libc.Explain(Libc.Errno)}");
        }

        _ = Libc.Close(nothing);
        _ = Libc.Control(socket, SetFlags, Libc.ONonBlock);
        return new Connection(socket) { StatusDue = true };
    }

    public static ShimOrders ReadOrders(Connection launcher, ProcFiles proc)
    {
        ShimOrders? orders = null;
        var until = Clock.Monotonic + LongestWait;
        while (orders is null && !launcher.Closed && Clock.Monotonic < until)
        {
            var entry = new PollEntry { Descriptor = launcher.Descriptor, Wanted = Libc.PollIn };
            if (Libc.Poll(&entry, 1, LongestWait) > 0)
            {
                launcher.Receive((_, message) => orders = Read(message, proc));
            }
        }

        return orders ?? throw new StartException("No orders came on standard input: ozf-shim is started by ozf");
    }

    private static ShimOrders Read(byte[] bytes, ProcFiles proc)
    {
        var message = MessageReader.Open(bytes);
        if (message.Kind != ShimMessage.Launch || message.Int32() is var version && version != ShimProtocol.Version)
        {
            throw new StartException($"This shim speaks version {ShimProtocol.Version} only");
        }

        var (leaseUntil, spoolBytes, flags) = (message.Int64(), message.Int64(), message.Int32());
        var teardown = (flags & ShimProtocol.HasTeardown) != 0 ? message.Command() : null;
        return new ShimOrders(leaseUntil, spoolBytes, teardown, (flags & ShimProtocol.EndsWithHost) != 0, message.Limits(), message.User(), proc);
    }
}
