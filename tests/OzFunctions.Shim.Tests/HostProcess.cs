using System.Diagnostics;
using System.Globalization;

namespace OzFunctions.Shim.Tests;

/// <summary>A host of its own process that launched a shim, for tests that shoot it.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process _process;

    private HostProcess(Process process, int shimPid)
    {
        _process = process;
        ShimPid = shimPid;
    }

    public int ShimPid { get; }

    public static async Task<HostProcess> StartAsync(ShimRig rig, TimeSpan lease, string script)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests"))
        {
            ArgumentList = { "host", rig.PrivateDirectory, rig.Workspace, lease.TotalSeconds.ToString(CultureInfo.InvariantCulture), script },
            RedirectStandardOutput = true,

            // A shot process would leave its debugger's sockets in the temp directory.
            Environment = { ["DOTNET_EnableDiagnostics"] = "0" },
        };
#pragma warning disable RS0030 // A host is what starts shims: it cannot itself be started by one.
        var process = Process.Start(start)!;
#pragma warning restore RS0030
        var line = await process.StandardOutput.ReadLineAsync(ShimRig.Cancellation);
        return new HostProcess(process, int.Parse(line ?? throw new InvalidOperationException("The host ended at once"), CultureInfo.InvariantCulture));
    }

    /// <summary>kill -9, and gone when it returns.</summary>
    public async Task ShootAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
