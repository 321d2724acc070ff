using System.Text;
using OzFunctions.Shim.Children;
using OzFunctions.Shim.Commands;
using OzFunctions.Shim.Connections;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim;

/// <summary>From <c>main</c> to the loop, in the one order that leaves no window: each step protects the next.</summary>
internal static unsafe class ShimProcess
{
    private const int NotDumpable = 4;

    public static int Enter(string[] args)
    {
        if (args is [CommandEntry.Argument])
        {
            return CommandEntry.Run();
        }

        if (args.Length != 1)
        {
            Complain("ozf-shim is started by ozf for one attempt: ozf-shim <private directory>, with its orders on standard input");
            return 64;
        }

        try
        {
            return Run(args[0]);
        }
        catch (Exception ex)
        {
            // The one catch-all of this process: what the commands left is ended by tag by the host.
            Complain(ex.ToString());
            return 70;
        }
    }

    private static int Run(string path)
    {
        ProcessSetup.Signals();
        ProcessSetup.OwnDescriptorsAndSession();
        var launcher = LaunchSocket.Take();
        ResourceLimits? resources = null;
        try
        {
            var oom = new OomScore();

            // From here on no process of this user reads our memory; the orders come only now.
            _ = Libc.Prctl(NotDumpable, 0, 0, 0, 0);
            var tag = ProcessSetup.LimitsAndTag();
            var proc = new ProcFiles();
            var orders = LaunchSocket.ReadOrders(launcher, proc);
            var directory = Libc.Open(path, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
            if (directory < 0)
            {
                throw new StartException($"The private directory {path} cannot be opened: {Libc.Explain(Libc.Errno)}");
            }

            Lock(directory);
            var listener = Listener.Open(directory);
            var wake = Libc.EventFd(0, Libc.OCloseOnExec | Libc.ONonBlock);
            ProcessSetup.CoreFiles(orders.Limits.Core ?? 0);
            resources = new ResourceLimits(orders.Limits, Path.GetFileName(path));
            var descendants = new Descendants(wake, proc, resources.Group);
            descendants.StartThreads();
            resources.Prepare(descendants);
            var directories = new OwnDirectories(directory);
            using var spool = new SpoolWriter(Path.Combine(path, ShimProtocol.SpoolDirectory), orders.SpoolBytes, TimeProvider.System, SpoolFormat.FindSegment, directories.TryOpenUp);
            directories.TakeSpool();
            var status = new StatusFile(directories, new ShimStatus
            {
                Version = ShimProtocol.Version,
                Pid = Libc.GetPid(),
                StartTicks = proc.StartTicks(Libc.GetPid()),
                BootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(),
                Tag = tag,
                Limits = resources.Mechanisms,
                Cgroup = resources.Group?.Path,
            });

            // The tag must be known to others before the first process that carries it.
            if (!status.TrySaveFirst())
            {
                throw new StartException($"{ShimProtocol.StatusFile} cannot be written in {path}: {Libc.Explain(Libc.Errno)}");
            }

            var spawner = new Spawner(descendants, oom, resources, orders.User);
            new Supervisor(status, spool, descendants, spawner, resources, listener, wake, orders, TimeProvider.System).Run(launcher);
            resources.Group?.Remove();
            return 0;
        }
        catch (StartException ex)
        {
            // No status names it, so nobody else would.
            resources?.Group?.Remove();
            launcher.Send(new MessageWriter(ShimMessage.Refused, 0).Text(ex.Message));
            Complain(ex.Message);
            return 1;
        }
    }

    private static void Lock(int directory)
    {
        const int ExclusiveNow = 6;
        fixed (byte* name = "shim.lock\0"u8)
        {
            // Held by the descriptor for as long as this process lives, and by nothing else: children do not get it.
            var file = Libc.OpenAt(directory, name, Libc.OReadWrite | Libc.OCreate | Libc.OCloseOnExec, 0x180);
            var failed = file < 0 ? Libc.Errno : 0;

            // A host that looks whether a shim lives here holds it for an instant.
            for (var tries = 0; file >= 0 && (failed = Libc.Flock(file, ExclusiveNow) == 0 ? 0 : Libc.Errno) != 0 && tries < 50; tries++)
            {
                _ = Libc.Sleep(2_000);
            }

            if (failed != 0)
            {
                throw new StartException($"Another shim lives in this directory, or its lock cannot be taken: {Libc.Explain(failed)}");
            }
        }
    }

    private static void Complain(string sentence)
    {
        fixed (byte* bytes = Encoding.UTF8.GetBytes(sentence + "\n"))
        {
            _ = Libc.Write(2, bytes, Encoding.UTF8.GetByteCount(sentence) + 1);
        }
    }
}
