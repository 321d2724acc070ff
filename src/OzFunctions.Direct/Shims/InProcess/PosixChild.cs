using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Text;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>
/// A command in a session and process group of its own, by <c>posix_spawn</c>, which .NET's Process cannot give: a signal reaches the whole group, also after its leader,
/// and a terminal's Ctrl-C does not reach it a second time. Only calls that macOS and Linux share.
/// </summary>
internal sealed unsafe class PosixChild : Child
{
    private const int NotPermitted = 1;
    private const int Interrupted = 4;
    private readonly AnonymousPipeServerStream _output;
    private readonly AnonymousPipeServerStream _error;
    private readonly Lock _gate = new();
    private bool _exited;
    private bool _reaped;
    private (int? Code, int? Signal) _seen;

    private PosixChild(int pid, AnonymousPipeServerStream output, AnonymousPipeServerStream error)
    {
        (Pid, _output, _error) = (pid, output, error);
        StartTicks = FindStart(pid);

        // A thread of its own: it blocks for as long as the command runs.
        Exited = Task.Factory.StartNew(Watch, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public override int Pid { get; }

    public override long StartTicks { get; }

    public override Stream Output => _output;

    public override Stream Error => _error;

    public override Task Exited { get; }

    public static new PosixChild Start(ShimCommand command)
    {
        var output = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        var error = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        var number = Spawn(command, (int)output.ClientSafePipeHandle.DangerousGetHandle(), (int)error.ClientSafePipeHandle.DangerousGetHandle(), out var pid);
        output.DisposeLocalCopyOfClientHandle();
        error.DisposeLocalCopyOfClientHandle();
        if (number == 0)
        {
            return new PosixChild(pid, output, error);
        }

        output.Dispose();
        error.Dispose();
        throw new Win32Exception(number, Marshal.GetPInvokeErrorMessage(number));
    }

    public override bool TrySignal(int signal)
    {
        lock (_gate)
        {
            return !_exited && (ShimLibc.Kill(-Pid, signal) == 0 || Refuses);
        }
    }

    /// <summary>The leader is not waited for before <see cref="Finish"/>: until then no other process can have its number.</summary>
    public override string? EndAll()
    {
        lock (_gate)
        {
            return !_reaped && ShimLibc.Kill(-Pid, ShimLibc.SigKill) != 0 && Refuses ? $"Process {Pid} could not be ended: it runs as another account." : null;
        }
    }

    public override ShimCommandStatus Finish(ShimCommandStatus status)
    {
        if (!Exited.IsCompleted)
        {
            // To wait for one that cannot be ended is to wait for ever.
            return status;
        }

        int word;
        int taken;
        var usage = stackalloc long[32];
        lock (_gate)
        {
            _reaped = true;
            while ((taken = ShimLibc.Wait(Pid, &word, 0, usage)) < 0 && Marshal.GetLastPInvokeError() == Interrupted)
            {
            }
        }

        if (taken < 0)
        {
            // Taken in by somebody else of this process, or by the system where SIGCHLD is ignored: all that is known is what was seen of its end.
            return status with { ExitCode = _seen.Code, Signal = _seen.Signal };
        }

        var signal = word & 0x7f;
        return status with
        {
            ExitCode = signal == 0 ? (word >> 8) & 0xff : null,
            Signal = signal == 0 ? null : signal,
            CpuSeconds = Seconds(usage) + Seconds(usage + 2),
            PeakMemoryBytes = OperatingSystem.IsMacOS() ? usage[4] : usage[4] << 10,
        };
    }

    /// <summary>Asked after its group could not be signalled. The leader alone tells another account from an end: of a group that has ended macOS says the same.</summary>
    private bool Refuses => ShimLibc.Kill(Pid, 0) != 0 && Marshal.GetLastPInvokeError() == NotPermitted;

    public override void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }

    private static long FindStart(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return FindStart(process);
        }
        catch (ArgumentException)
        {
            // Over already: nobody will have to find it.
            return 0;
        }
    }

    /// <summary>Waits for the end without taking the leader in (WNOWAIT), so that its group can still be told from any other.</summary>
    private void Watch()
    {
        const int OneProcess = 1;
        const int Exit = 4;
        var noReap = OperatingSystem.IsMacOS() ? 0x20 : 0x01000000;
        var information = stackalloc int[64];
        int seen;
        while ((seen = ShimLibc.WaitId(OneProcess, Pid, (byte*)information, Exit | noReap)) != 0 && Marshal.GetLastPInvokeError() == Interrupted)
        {
        }

        if (seen == 0)
        {
            // si_code says what si_status is: 1 (CLD_EXITED) an exit code, else a signal.
            var status = information[OperatingSystem.IsMacOS() ? 5 : 6];
            _seen = information[2] == 1 ? (status & 0xff, null) : (null, status);
        }

        lock (_gate)
        {
            _exited = true;
        }
    }

    private static int Spawn(ShimCommand command, int output, int error, out int pid)
    {
        const short SetSignals = 4 | 8;
        var isMac = OperatingSystem.IsMacOS();

        // macOS closes every descriptor that is not named, by a flag; glibc by an action.
        var setSession = (short)(isMac ? 0x400 | 0x4000 : 0x80);
        var actions = stackalloc byte[512];
        var attributes = stackalloc byte[512];
        var signals = stackalloc byte[128];
        _ = ShimLibc.SpawnActions(actions);
        _ = ShimLibc.SpawnActionsOpen(actions, 0, "/dev/null", 0, 0);
        _ = ShimLibc.SpawnActionsDup2(actions, output, 1);
        _ = ShimLibc.SpawnActionsDup2(actions, error, 2);
        if (!isMac)
        {
            _ = ShimLibc.SpawnActionsCloseFrom(actions, 3);
        }

        _ = ShimLibc.SpawnActionsChdir(actions, command.WorkingDirectory);
        _ = ShimLibc.SpawnAttributes(attributes);
        _ = ShimLibc.SignalsAll(signals);
        _ = ShimLibc.SpawnAttributesDefaults(attributes, signals);
        _ = ShimLibc.SignalsNone(signals);
        _ = ShimLibc.SpawnAttributesMask(attributes, signals);
        _ = ShimLibc.SpawnAttributesFlags(attributes, (short)(setSession | SetSignals));
        var texts = new List<nint>();
        try
        {
            int number;
            fixed (nint* arguments = Texts(command.Arguments, texts), environment = Texts(command.Environment, texts))
            {
                var result = ShimLibc.Spawn(&number, (byte*)arguments[0], actions, attributes, (byte**)arguments, (byte**)environment);
                pid = number;
                return result;
            }
        }
        finally
        {
            texts.ForEach(text => Marshal.FreeCoTaskMem(text));
            _ = ShimLibc.SpawnActionsDestroy(actions);
            _ = ShimLibc.SpawnAttributesDestroy(attributes);
        }
    }

    private static nint[] Texts(IReadOnlyList<string> values, List<nint> texts)
    {
        var pointers = values.Select(value => Marshal.StringToCoTaskMemUTF8(value)).ToList();
        texts.AddRange(pointers);
        return [.. pointers, 0];
    }

    private static double Seconds(long* time) => time[0] + (*(int*)(time + 1) / 1e6);
}
