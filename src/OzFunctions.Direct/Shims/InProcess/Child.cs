using System.Diagnostics;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>One started command and all that stays with it: its process group, or on Windows its tree.</summary>
internal abstract class Child : IDisposable
{
    public abstract int Pid { get; }

    public abstract long StartTicks { get; }

    public abstract Stream Output { get; }

    public abstract Stream Error { get; }

    /// <summary>Done when the leader has ended.</summary>
    public abstract Task Exited { get; }

    /// <summary>Sends a signal to the group; false when the leader has ended.</summary>
    public abstract bool TrySignal(int signal);

    /// <summary>Ends whatever is left of it, also after its leader.</summary>
    public abstract void EndAll();

    /// <summary>How the leader ended, added to its status; to be asked once, when it has.</summary>
    public abstract ShimCommandStatus Finish(ShimCommandStatus status);

    public abstract void Dispose();

    /// <summary>Throws <see cref="System.ComponentModel.Win32Exception"/> with the system's number when it cannot be executed.</summary>
    public static Child Start(ShimCommand command) => OperatingSystem.IsWindows() ? new WindowsChild(command) : PosixChild.Start(command);

    /// <summary>The same for one that another process started.</summary>
    public static void EndAll(Process process)
    {
        if (OperatingSystem.IsWindows())
        {
            process.Kill(entireProcessTree: true);
        }
        else
        {
            _ = ShimLibc.Kill(-process.Id, ShimLibc.SigKill);
        }
    }
}
