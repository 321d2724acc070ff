using System.ComponentModel;
using System.Diagnostics;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>
/// Supervises the commands of <c>ozf exec</c> from within its own process, on systems that have no shim. Spool, status, clocks and stop ladder are the shim's; what only
/// another process can do is missing, and <see cref="Missing"/> says so.
/// </summary>
public sealed class InProcessShims(TimeProvider time) : IShims
{
    private const string Cause = "This system has no supervisor of its own (ozf-shim needs Linux): ";

    /// <summary>For records, the doctor and documents.</summary>
    public static string Missing => Cause + (OperatingSystem.IsWindows()
        ? "a stop has no grace, what was started by a child that has ended outlives the run, and after ozf itself was ended the agent goes on until the next 'ozf exec' or 'ozf sync' here; changes and policy.veto_command need /bin/sh."
        : "a process that left the agent's process group outlives the run, and after a kill -9 of ozf the agent goes on until the next 'ozf exec' or 'ozf sync' here.");

    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(10);

    // A start time is worked out from a clock that may be set meanwhile; no pid comes round again that soon.
    private static readonly TimeSpan SameStart = TimeSpan.FromSeconds(2);

    public string? Shortcoming => Missing;

    public Task<IShimSession> LaunchAsync(ShimLaunch launch, CancellationToken cancellationToken)
    {
        if (!launch.EndsWithHost || launch.Teardown is not null || launch.User is not null)
        {
            throw new ShimException("Only 'ozf exec' can run without a shim: nothing outlives this process, changes the account or runs a teardown.");
        }

        if (ReadStatus(launch.PrivateDirectory)?.Commands.Count > 0)
        {
            throw new ShimException($"A supervisor has run commands in {launch.PrivateDirectory} before; another one would not know of them.");
        }

        using var own = Process.GetCurrentProcess();
        var status = new ShimStatus { Version = ShimProtocol.Version, Pid = own.Id, StartTicks = own.StartTime.ToUniversalTime().Ticks, BootId = "", Tag = 0 };
        return Task.FromResult<IShimSession>(new InProcessSession(launch, status, Child.Start, time));
    }

    /// <summary>Always null: who holds the directory's lock is alone with it, and a dead process supervises nothing.</summary>
    public Task<IShimSession?> TryAttachAsync(string privateDirectory, CancellationToken cancellationToken) => Task.FromResult<IShimSession?>(null);

    public ShimStatus? ReadStatus(string privateDirectory) => ShimStatusFile.Read(privateDirectory);

    public ShimStatus? Identify(string privateDirectory) => ShimStatusFile.Find(privateDirectory);

    /// <summary>Nothing: a supervisor within this process answers as long as this process does.</summary>
    public void Continue(string privateDirectory, ShimStatus? known)
    {
    }

    /// <summary>Nothing, likewise.</summary>
    public void Kill(string privateDirectory, ShimStatus? known)
    {
    }

    /// <summary>Ends an agent whose <c>ozf exec</c> was killed, with its process group; only while its leader lives is it known to be that one.</summary>
    public async Task<int> SweepAsync(string privateDirectory, ShimStatus? known, CancellationToken cancellationToken)
    {
        var ended = 0;
        foreach (var command in ReadStatus(privateDirectory)?.Commands ?? [])
        {
            if (command is { Ended: false, Pid: > 0 } && FindProcess(command) is { } process)
            {
                using (process)
                {
                    if (Child.EndAll(process) is { } refused)
                    {
                        throw new ShimException(refused);
                    }

                    ended++;
                    try
                    {
                        await process.WaitForExitAsync(cancellationToken).WaitAsync(EndsWithin, time, cancellationToken);
                    }
                    catch (TimeoutException exception)
                    {
                        throw new ShimException($"Process {command.Pid} of a dead supervisor could not be ended.", exception);
                    }
                }
            }
        }

        return ended;
    }

    private static Process? FindProcess(ShimCommandStatus command)
    {
        Process? process = null;
        try
        {
            process = Process.GetProcessById(command.Pid);
            if ((process.StartTime.ToUniversalTime() - new DateTime(command.StartTicks, DateTimeKind.Utc)).Duration() < SameStart)
            {
                return process;
            }
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // Gone, or another account's and so not ours.
        }

        process?.Dispose();
        return null;
    }
}
