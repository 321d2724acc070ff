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

    /// <param name="rig">Where.</param>
    /// <param name="lease">Told to the shim.</param>
    /// <param name="script">Run as the agent.</param>
    /// <param name="entryFile">Of a control group that host, shim and agent are to be in.</param>
    public static async Task<HostProcess> StartAsync(ShimRig rig, TimeSpan lease, string script, string? entryFile = null)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests");
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", "[ -z \"$1\" ] || echo $$ > \"$1\" || exit 1; shift; exec \"$@\"", "sh", entryFile ?? "", program, "host", rig.PrivateDirectory, rig.Workspace, lease.TotalSeconds.ToString(CultureInfo.InvariantCulture), script },
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
