using System.Diagnostics;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>A command by .NET's own means. Windows has no signals: whatever is asked for, it is ended.</summary>
internal sealed class WindowsChild : Child
{
    private readonly Process _process;

    public WindowsChild(ShimCommand command)
    {
        var start = new ProcessStartInfo(command.Arguments[0], command.Arguments.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = command.WorkingDirectory,
        };
        start.Environment.Clear();
        foreach (var entry in command.Environment)
        {
            var at = entry.IndexOf('=');
            start.Environment[entry[..at]] = entry[(at + 1)..];
        }

        _process = new Process { StartInfo = start };
#pragma warning disable RS0030 // The one place that starts commands where there is no posix_spawn.
        _process.Start();
#pragma warning restore RS0030
        _process.StandardInput.Close();
        StartTicks = _process.StartTime.ToUniversalTime().Ticks;
        Exited = _process.WaitForExitAsync(CancellationToken.None);
    }

    public override int Pid => _process.Id;

    public override long StartTicks { get; }

    public override Stream Output => _process.StandardOutput.BaseStream;

    public override Stream Error => _process.StandardError.BaseStream;

    public override Task Exited { get; }

    public override bool TrySignal(int signal)
    {
        if (_process.HasExited)
        {
            return false;
        }

        EndAll();
        return true;
    }

    public override void EndAll()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    public override ShimCommandStatus Finish(ShimCommandStatus status) => status with
    {
        ExitCode = _process.ExitCode,
        CpuSeconds = _process.TotalProcessorTime.TotalSeconds,
    };

    public override void Dispose() => _process.Dispose();
}
