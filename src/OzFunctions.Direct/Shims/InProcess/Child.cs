using System.ComponentModel;
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

    /// <summary>Ends whatever is left of it, also after its leader. Answers what the system refused, a sentence; null: all of it was told to end.</summary>
    public abstract string? EndAll();

    /// <summary>How the leader ended, added to its status, without exit code and signal where nobody can tell; to be asked once.</summary>
    public abstract ShimCommandStatus Finish(ShimCommandStatus status);

    public abstract void Dispose();

    /// <summary>Throws <see cref="System.ComponentModel.Win32Exception"/> with the system's number when it cannot be executed.</summary>
    public static Child Start(ShimCommand command) => OperatingSystem.IsWindows() ? new WindowsChild(command) : PosixChild.Start(command);

    /// <summary>The same as <see cref="EndAll()"/> for one that another process started.</summary>
    public static string? EndAll(Process process)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = ShimLibc.Kill(-process.Id, ShimLibc.SigKill);
            return null;
        }

        return EndTree(process);
    }

    /// <summary>The end of a process and of those it started, by .NET's own means.</summary>
    protected static string? EndTree(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
            return null;
        }
        catch (InvalidOperationException)
        {
            // It had ended; whom it had started is not its tree any more.
            return null;
        }
        catch (Exception exception) when (exception is Win32Exception or AggregateException or NotSupportedException)
        {
            return $"Not every process of {process.Id} could be ended: {exception.Message}";
        }
    }

    /// <summary>When a process began, in ticks of UTC; 0 where it cannot be told: nobody will find it by that.</summary>
    protected static long FindStart(Process process)
    {
        try
        {
            return process.StartTime.ToUniversalTime().Ticks;
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception or NotSupportedException)
        {
            return 0;
        }
    }
}
