using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Children;

/// <summary>
/// The processes below this one: starts the leader, reaps everything all the time, and ends everything on request. Its two threads exist from the start, because
/// under a full process limit a new one could not be made when it is needed most.
/// </summary>
internal sealed unsafe class Descendants
{
    private const int StackSize = 256 << 10;

    // Held around spawn, around reaping and around list-and-kill: so a child is known before it is reaped, and no pid is signalled after it was reaped.
    private readonly object _gate = new();
    private readonly int _wake;
    private readonly KillLoop _killLoop;
    private int _leader;
    private int? _leaderStatus;
    private long _cpuMicroseconds;
    private long _peakKilobytes;
    private int _reapedSinceKill;
    private bool _killAsked;
    private KillResult? _killed;

    /// <summary>Writes to the event descriptor whenever there is something to see.</summary>
    public Descendants(int wake, ProcFiles proc, ControlGroup? group)
    {
        _wake = wake;
        _killLoop = new KillLoop(_gate, proc, group, Reap);
    }

    /// <summary>The leader's wait status; null while it lives.</summary>
    public int? LeaderStatus
    {
        get
        {
            lock (_gate)
            {
                return _leaderStatus;
            }
        }
    }

    /// <summary>How the last <see cref="EndAll"/> went; null while it goes on.</summary>
    public KillResult? Killed
    {
        get
        {
            lock (_gate)
            {
                return _killed;
            }
        }
    }

    /// <summary>CPU of everything reaped since the leader was started.</summary>
    public double CpuSeconds => Volatile.Read(ref _cpuMicroseconds) / 1e6;

    public long PeakMemoryBytes => _peakKilobytes * 1024;

    public void StartThreads()
    {
        new Thread(ReapForEver, StackSize) { IsBackground = true }.Start();
        new Thread(KillForEver, StackSize) { IsBackground = true }.Start();

        // Once through all of it with nothing to kill: what it needs is loaded and compiled before it matters.
        _killLoop.Rehearse();
        EndAll();
        lock (_gate)
        {
            while (_killed is null)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Runs the spawn under the gate and remembers its child as the leader; answers errno.</summary>
    public int Start(Func<(int Error, int Pid)> spawn)
    {
        lock (_gate)
        {
            _leaderStatus = null;
            _killed = null;
            _cpuMicroseconds = 0;
            _peakKilobytes = 0;
            _reapedSinceKill = 0;
            var (error, pid) = spawn();
            _leader = error == 0 ? pid : 0;
            Monitor.PulseAll(_gate);
            return error;
        }
    }

    /// <summary>Signals the leader's process group; false when the leader was over before.</summary>
    public bool TrySignalGroup(int signal)
    {
        const int OneProcess = 1;
        const int PidOffset = 16;
        lock (_gate)
        {
            if (_leader == 0 || _leaderStatus is not null)
            {
                return false;
            }

            // It may have exited and not be reaped yet: that was its own end, not ours.
            var info = stackalloc byte[128];
            *(int*)(info + PidOffset) = 0;
            _ = Libc.WaitId(OneProcess, _leader, info, Libc.WExited | Libc.WNoHang | Libc.WNoWait | Libc.WAll);
            if (*(int*)(info + PidOffset) != 0)
            {
                return false;
            }

            // One that became another account (sudo) refuses our signals and runs on all the same.
            _ = Libc.Kill(-_leader, signal);
            return true;
        }
    }

    /// <summary>Asks for the end of every descendant; <see cref="Killed"/> tells when it is done.</summary>
    public void EndAll()
    {
        lock (_gate)
        {
            _killed = null;
            _killAsked = true;
            _reapedSinceKill = 0;
            Monitor.PulseAll(_gate);
        }
    }

    private void ReapForEver()
    {
        var info = stackalloc byte[128];
        while (true)
        {
            // Leaves the zombie in place: its pid cannot be given to another process before the gate is held.
            var waited = Libc.WaitId(0, 0, info, Libc.WExited | Libc.WNoWait | Libc.WAll);
            lock (_gate)
            {
                Reap();
                if (waited < 0 && KillLoop.NoChildLeft())
                {
                    Monitor.Wait(_gate);
                }
            }
        }
    }

    private void Reap()
    {
        var status = 0;
        var usage = stackalloc long[18];
        int pid;
        while ((pid = Libc.Wait4(-1, &status, Libc.WNoHang | Libc.WAll, usage)) > 0)
        {
            _cpuMicroseconds += ((usage[0] + usage[2]) * 1_000_000) + usage[1] + usage[3];
            _peakKilobytes = Math.Max(_peakKilobytes, usage[4]);
            if (pid == _leader && _leaderStatus is null)
            {
                _leaderStatus = status;
                Wake();
            }
            else
            {
                _reapedSinceKill++;
            }
        }
    }

    private void KillForEver()
    {
        while (true)
        {
            lock (_gate)
            {
                while (!_killAsked)
                {
                    Monitor.Wait(_gate);
                }

                _killAsked = false;
            }

            var left = _killLoop.Run();
            lock (_gate)
            {
                _killed = new KillResult(left.Length == 0, left, _reapedSinceKill);
                Monitor.PulseAll(_gate);
                Wake();
            }
        }
    }

    /// <summary>Has the main loop look round.</summary>
    public void Wake()
    {
        var one = 1L;
        _ = Libc.Write(_wake, (byte*)&one, sizeof(long));
    }
}

/// <summary>Whether nothing is left, what is left otherwise, and how many processes beside the leader ended meanwhile.</summary>
internal sealed record KillResult(bool Clean, int[] LeftOver, int Ended);
