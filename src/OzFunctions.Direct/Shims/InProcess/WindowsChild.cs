using System.ComponentModel;
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
        StartTicks = FindStart(_process);
        Pid = _process.Id;
        Exited = _process.WaitForExitAsync(CancellationToken.None);
    }

    public override int Pid { get; }

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

        // What could not be ended is tried, and told, once more when the stop is at its end.
        _ = EndAll();
        return true;
    }

    public override string? EndAll() => _process.HasExited ? null : EndTree(_process);

    public override ShimCommandStatus Finish(ShimCommandStatus status)
    {
        try
        {
            status = status with { ExitCode = _process.ExitCode };
            return status with { CpuSeconds = _process.TotalProcessorTime.TotalSeconds };
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception or NotSupportedException)
        {
            // It lives on, or the system has forgotten its times.
            return status;
        }
    }

    public override void Dispose() => _process.Dispose();
}
