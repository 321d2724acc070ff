using OzFunctions.Shim.Children;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Limits;

/// <summary>The limits of this attempt and what holds each of them, decided once at start.</summary>
internal sealed class ResourceLimits
{
    private readonly SortedDictionary<string, string> _mechanisms = new(StringComparer.Ordinal);
    private TreeSampler? _sampler;
    private WorkspaceGauge? _gauge;

    /// <param name="name">Name of the attempt's private directory, unique on this machine.</param>
    public ResourceLimits(ShimLimits limits, string name)
    {
        Limits = limits;
        HoldsOpenFiles = ProcessSetup.TryLimitOpenFiles(limits.OpenFiles);
        if (limits is { CgroupParent: { } parent, NeedsTree: true })
        {
            Group = ControlGroup.TryMake(parent, "ozf-" + name, limits, _mechanisms);
        }

        Note(LimitName.Memory, limits.Memory, LimitMechanism.Sampled);
        Note(LimitName.Processes, limits.Processes, LimitMechanism.Sampled);
        Note(LimitName.Cpu, limits.Cpu, LimitMechanism.Sampled);
        Note(LimitName.OpenFiles, limits.OpenFiles, LimitMechanism.Process);
        Note(LimitName.Core, limits.Core, LimitMechanism.Process);
        Note(LimitName.Nice, limits.Nice, LimitMechanism.Process);
        Note(LimitName.OomScoreAdj, limits.OomScoreAdj, LimitMechanism.Process);
        Note(LimitName.Workspace, limits.Workspace, LimitMechanism.Measured);
        Note(LimitName.LogRate, limits.LogRate, LimitMechanism.Counted);
    }

    public ShimLimits Limits { get; }

    /// <summary>This process has the limit of open files, so that its commands have it from their start.</summary>
    public bool HoldsOpenFiles { get; }

    public ControlGroup? Group { get; }

    /// <summary>Null: nothing is limited.</summary>
    public IReadOnlyDictionary<string, string>? Mechanisms => _mechanisms.Count > 0 ? _mechanisms : null;

    /// <summary>Makes what needs threads and memory, before the first command may use them up.</summary>
    public void Prepare(Descendants descendants)
    {
        if (Limits.NeedsTree)
        {
            _sampler = new TreeSampler(descendants);
            _ = _sampler.Take();
        }

        if (Limits.Workspace is not null)
        {
            _gauge = new WorkspaceGauge(Limits.Measured, descendants.Wake);
        }
    }

    /// <summary>Watches over one command. What comes after the agent may find the workspace as full as the agent left it.</summary>
    public LimitWatch Watch(string phase)
    {
        var isWork = phase is ShimPhase.Setup or ShimPhase.Agent;
        _sampler?.Reset();
        return new LimitWatch(isWork ? Limits : Limits with { Workspace = null, LogRate = null }, _mechanisms, _sampler, Group, _gauge);
    }

    private void Note<T>(string name, T? limit, string mechanism)
        where T : struct
    {
        if (limit is not null)
        {
            _ = _mechanisms.TryAdd(name, mechanism);
        }
    }
}
