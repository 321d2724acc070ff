using System.Globalization;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Limits;

/// <summary>A limit that was passed, and the figures in words; whether it is far beyond already.</summary>
internal sealed record Breach(string Limit, string Detail, bool IsRunaway = false);

/// <summary>Looks four times a second whether one command is within its limits.</summary>
internal sealed class LimitWatch
{
    private const long Interval = 250;

    // A look at a machine of very many processes takes longer; it may take up a twentieth of the time.
    private const long ShareOfTime = 20;
    private const int LogBurstSeconds = 10;
    private const double Runaway = 1.25;

    // Processor time is counted in hundredths of a second, and processes end between two looks.
    private const double CpuTolerance = 1.05;
    private readonly ShimLimits _limits;
    private readonly IReadOnlyDictionary<string, string> _mechanisms;
    private readonly TreeSampler? _sampler;
    private readonly ControlGroup? _group;
    private readonly WorkspaceGauge? _gauge;
    private readonly CpuAverage _cpu;
    private readonly long _killsBefore;
    private readonly long _exhaustionsBefore;
    private readonly long _refusalsBefore;
    private readonly bool _isIdle;
    private long _outputSince;
    private double _output;
    private long _written;

    public LimitWatch(ShimLimits limits, IReadOnlyDictionary<string, string> mechanisms, TreeSampler? sampler, ControlGroup? group, WorkspaceGauge? gauge)
    {
        (_limits, _mechanisms, _sampler, _group, _gauge) = (limits, mechanisms, sampler, group, gauge);
        _cpu = new((long)limits.CpuWindow.TotalMilliseconds);
        _killsBefore = group?.OutOfMemoryKills ?? 0;
        _exhaustionsBefore = group?.MemoryExhaustions ?? 0;
        _refusalsBefore = group?.RefusedForks ?? 0;
        _outputSince = Clock.Monotonic;
        _isIdle = !limits.NeedsTree && limits.Workspace is null && limits.LogRate is null;
        NextAt = _isIdle ? long.MaxValue : Clock.Monotonic;
        gauge?.Arm(limits.Workspace is not null);
    }

    /// <summary>When to look again, on <see cref="Clock.Monotonic"/>.</summary>
    public long NextAt { get; private set; }

    public void NoteOutput(long bytes) => _written += bytes;

    /// <summary>The first limit found to be passed; null: all is well.</summary>
    public Breach? Look()
    {
        var began = Clock.Monotonic;
        var breach = LookAtKernel() ?? LookAtTree(began) ?? LookAtWorkspace() ?? LookAtOutput(began);
        NextAt = NextLook(began);
        return breach;
    }

    /// <summary>
    /// Whether a command that is being stopped is beyond what its grace is for: far beyond the limit it is stopped for, or beyond another one of memory, processes or disk.
    /// </summary>
    /// <param name="first">What it is stopped for; null: not for a limit.</param>
    public Breach? LookInGrace(Breach? first)
    {
        var began = Clock.Monotonic;
        var sample = _sampler?.Take();
        Breach? beyond = null;
        foreach (var breach in (ReadOnlySpan<Breach?>)[LookAtProcesses(sample), LookAtMemory(sample), LookAtWorkspace()])
        {
            beyond ??= breach is not null && (breach.IsRunaway || breach.Limit != first?.Limit) ? breach : null;
        }

        NextAt = NextLook(began);
        return beyond;
    }

    /// <summary>What the kernel did about a limit by itself; asked once more when the command is over.</summary>
    public Breach? LookAtKernel()
    {
        // A kill alone may be for the memory of a group above, or of the machine.
        if (_group is not null && _limits.Memory is { } memory && _group.OutOfMemoryKills > _killsBefore && _group.MemoryExhaustions > _exhaustionsBefore)
        {
            return new(LimitName.Memory, $"memory: more than {Size(memory)} were needed, the kernel ended its processes");
        }

        return _group is not null && _limits.Processes is { } processes && _group.RefusedForks > _refusalsBefore
            ? new(LimitName.Processes, $"processes: new threads or processes were refused by the kernel, the limit is {Number(processes)}")
            : null;
    }

    public void End() => _gauge?.Arm(false);

    private Breach? LookAtTree(long now)
    {
        if (_sampler is null)
        {
            return null;
        }

        var sample = _sampler.Take();
        return LookAtProcesses(sample) ?? LookAtMemory(sample)
            ?? (_limits.Cpu is { } cpu && IsSampled(LimitName.Cpu) ? LookAtCpu(now, sample.CpuSeconds, cpu) : null);
    }

    private Breach? LookAtProcesses(TreeSample? sample) => sample is { } seen && _limits.Processes is { } limit && seen.Processes > limit
        ? new(LimitName.Processes, $"processes: {Number(seen.Processes)}, the limit is {Number(limit)}", seen.Processes > limit * Runaway)
        : null;

    private Breach? LookAtMemory(TreeSample? sample) => sample is { } seen && _limits.Memory is { } limit && IsSampled(LimitName.Memory) && seen.Memory > limit
        ? new(LimitName.Memory, $"memory: {Size(seen.Memory)} in {Number(seen.Processes)} processes, the limit is {Size(limit)}", seen.Memory > limit * Runaway)
        : null;

    private Breach? LookAtCpu(long now, double used, double limit) => _cpu.Add(now, used) is var (processors, milliseconds) && processors > limit * CpuTolerance
        ? new(LimitName.Cpu, $"cpu: {Fraction(processors)} processors over {Fraction(milliseconds / 1000.0)} s, the limit is {Fraction(limit)}")
        : null;

    private Breach? LookAtWorkspace() => _limits.Workspace is { } limit && _gauge!.Bytes is var bytes && bytes > limit
        ? new(LimitName.Workspace, $"workspace: {(bytes == DirectorySize.TooDeep ? $"deeper than {Number(DirectorySize.MostLevels)} directories, which cannot be counted" : Size(bytes))}, the limit is {Size(limit)}")
        : null;

    /// <summary>A bucket that leaks at the allowed rate: a burst is no flood.</summary>
    private Breach? LookAtOutput(long now)
    {
        if (_limits.LogRate is not { } rate)
        {
            return null;
        }

        _output = Math.Max(0, _output - (rate * (now - _outputSince) / 1000.0)) + _written;
        (_outputSince, _written) = (now, 0);
        return _output > (double)rate * LogBurstSeconds
            ? new(LimitName.LogRate, $"log_rate: {Size((long)_output)} of output above {Size(rate)} a second, a burst may be {Size(rate * LogBurstSeconds)}")
            : null;
    }

    private long NextLook(long began) => _isIdle ? long.MaxValue : began + Math.Max(Interval, (Clock.Monotonic - began) * ShareOfTime);

    private bool IsSampled(string limit) => _mechanisms.GetValueOrDefault(limit) == LimitMechanism.Sampled;

    private static string Size(long bytes) => bytes >= 1L << 30 ? $"{Fraction(bytes / (double)(1L << 30))} GiB"
        : bytes >= 1L << 20 ? $"{Fraction(bytes / (double)(1L << 20))} MiB"
        : bytes >= 1L << 10 ? $"{Fraction(bytes / (double)(1L << 10))} KiB"
        : $"{Number(bytes)} bytes";

    private static string Fraction(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
