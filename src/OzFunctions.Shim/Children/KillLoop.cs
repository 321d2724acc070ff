using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Children;

/// <summary>Kills until the kernel says that no child is left, which in a subreaper means that no descendant is left.</summary>
internal sealed unsafe class KillLoop(object gate, ProcFiles proc, ControlGroup? group, Action reap)
{
    private const long Deadline = 10_000;
    private const long FirstSweep = 30;

    /// <summary>Fewer do not end it: a machine that stood still for the whole time proves nothing.</summary>
    private const int LeastRounds = 80;

    private static readonly int OwnGroup = Libc.GetGroup(0);
    private readonly byte* _stopped = (byte*)NativeMemory.AllocZeroed(ProcFiles.MostPids);
    private byte _sweep;

    /// <summary>No child, no zombie: the proof that nothing is left.</summary>
    public static bool NoChildLeft()
    {
        var info = stackalloc byte[128];
        return Libc.WaitId(0, 0, info, Libc.WExited | Libc.WNoHang | Libc.WNoWait | Libc.WAll) < 0 && Libc.Errno == Libc.EChild;
    }

    /// <summary>Pids that are left after the deadline; empty: all ended.</summary>
    public int[] Run()
    {
        var begun = Clock.Monotonic;
        var sweepAt = begun + FirstSweep;

        // At one blow where there is one; the loop is the proof either way.
        group?.Kill();
        for (var round = 0; ; round++)
        {
            lock (gate)
            {
                reap();
                if (NoChildLeft())
                {
                    return [];
                }

                KillChildren();
            }

            var now = Clock.Monotonic;
            if (now - begun > Deadline && round >= LeastRounds)
            {
                lock (gate)
                {
                    proc.ScanDescendants();
                    return new ReadOnlySpan<int>(proc.Pids, proc.Count).ToArray();
                }
            }

            if (now >= sweepAt)
            {
                StopAllThenKill(begun + Deadline);
                sweepAt = Clock.Monotonic + FirstSweep;
            }

            if (round < 64)
            {
                _ = Libc.Yield();
            }
            else
            {
                _ = Libc.Sleep(1000);
            }
        }
    }

    /// <summary>Goes the ways of a real run while there is no child.</summary>
    public void Rehearse()
    {
        lock (gate)
        {
            KillChildren();

            // Asks every process of the machine: too long for a start that has nothing to compile.
            if (RuntimeFeature.IsDynamicCodeCompiled)
            {
                proc.ScanDescendants();
            }
        }
    }

    private void KillChildren()
    {
        if (proc.TryEachChild(&KillOne))
        {
            return;
        }

        proc.ScanDescendants();
        for (var i = 0; i < proc.Count; i++)
        {
            KillOne(proc.Pids[i]);
        }
    }

    private static void KillOne(int pid)
    {
        // A whole group dies at once: a bomb inside it cannot outrun the signal. No descendant can be in our own group, as the leader has its own session.
        var group = Libc.GetGroup(pid);
        if (group > 1 && group != OwnGroup)
        {
            _ = Libc.Kill(-group, Libc.SigKill);
        }

        _ = Libc.Kill(pid, Libc.SigKill);
    }

    /// <summary>
    /// Against bombs of many sessions under a process limit: a stopped process keeps its slot, a killed one frees it for the next fork. The gate is let go between
    /// passes, because stopping without reaping runs the machine out of pids.
    /// </summary>
    private void StopAllThenKill(long deadline)
    {
        _sweep = (byte)(_sweep == byte.MaxValue ? 1 : _sweep + 1);
        var quiet = 0;
        while (quiet < 2 && Clock.Monotonic < deadline)
        {
            lock (gate)
            {
                reap();
                proc.ScanDescendants();
                var found = false;
                for (var i = 0; i < proc.Count; i++)
                {
                    var pid = proc.Pids[i];
                    if (_stopped[pid] != _sweep)
                    {
                        _stopped[pid] = _sweep;
                        found = true;
                        _ = Libc.Kill(pid, Libc.SigStop);
                    }
                }

                quiet = found ? 0 : quiet + 1;
            }

            _ = Libc.Yield();
        }

        lock (gate)
        {
            proc.ScanDescendants();
            for (var i = 0; i < proc.Count; i++)
            {
                _ = Libc.Kill(proc.Pids[i], Libc.SigKill);
            }
        }
    }
}
