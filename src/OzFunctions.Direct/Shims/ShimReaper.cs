namespace OzFunctions.Direct.Shims;

/// <summary>
/// Waits for the shims this process launched, each by its pid and never for "any child": their zombies would pile up, and other children of this process are not ours.
/// </summary>
internal sealed unsafe class ShimReaper
{
    private readonly Lock _gate = new();
    private readonly HashSet<int> _pids = [];

    public void Add(int pid)
    {
        lock (_gate)
        {
            _pids.Add(pid);
        }
    }

    /// <summary>Takes in every shim that is over, also those whose conversation was closed before.</summary>
    public void ReapAll()
    {
        lock (_gate)
        {
            _pids.RemoveWhere(IsOver);
        }
    }

    /// <summary>Whether this one is over, and taken in if it was ours.</summary>
    public bool Reap(int pid)
    {
        ReapAll();
        lock (_gate)
        {
            return !_pids.Contains(pid);
        }
    }

    // "No such child" means that a process which is pid 1 took it in: over as well.
    private static bool IsOver(int pid)
    {
        int status;
        return ShimLibc.Wait(pid, &status, ShimLibc.NoHang, null) != 0;
    }
}
