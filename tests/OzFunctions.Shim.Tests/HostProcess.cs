using System.Diagnostics;
using System.Globalization;
using System.Text;
using OzFunctions.Shim.Protocol;

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
    /// <param name="user">The account that it is of; null: ours.</param>
    public static async Task<HostProcess> StartAsync(ShimRig rig, TimeSpan lease, string script, string? entryFile = null, int? user = null)
    {
        string[] become = user is { } id ? ["/usr/bin/setpriv", "--reuid", $"{id}", "--regid", $"{id}", "--clear-groups"] : [];
        var program = Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests");
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", "[ -z \"$1\" ] || echo $$ > \"$1\" || exit 1; shift; exec \"$@\"", "sh", entryFile ?? "" },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,

            // A shot process would leave its debugger's sockets in the temp directory.
            Environment = { ["DOTNET_EnableDiagnostics"] = "0" },
        };
        foreach (var argument in (string[])[.. become, program, "host", rig.PrivateDirectory, rig.Workspace, lease.TotalSeconds.ToString(CultureInfo.InvariantCulture), script])
        {
            start.ArgumentList.Add(argument);
        }

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

    /// <summary>Has it stop the agent once that printed a text; answers what the shim says then.</summary>
    public async Task<ShimStatus> StopAgentAsync(string printed)
    {
        await _process.StandardInput.WriteLineAsync(printed.AsMemory(), ShimRig.Cancellation);
        await _process.StandardInput.FlushAsync(ShimRig.Cancellation);
        var line = await _process.StandardOutput.ReadLineAsync(ShimRig.Cancellation);
        return ShimStatusJson.Read(Encoding.UTF8.GetBytes(line ?? throw new InvalidOperationException("The host ended before its agent")));
    }

    /// <summary>Has it end its shim, after <see cref="StopAgentAsync"/>.</summary>
    public async Task EndAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(ShimRig.Cancellation);
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
