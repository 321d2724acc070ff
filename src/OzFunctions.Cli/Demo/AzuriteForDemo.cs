using System.ComponentModel;
using System.Diagnostics;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;

namespace OzFunctions.Cli.Demo;

/// <summary>The emulator of Azure Storage for <c>ozf demo --azurite</c>: from this repository's <c>tests/npm</c>, in memory, on free ports, gone with the demo.</summary>
internal sealed class AzuriteForDemo : IAsyncDisposable
{
    /// <summary>The emulator's own account and key, printed in its documentation: it guards nothing.</summary>
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    private const string Listening = "is successfully listening at ";
    private const string Install = "Install it with tests/npm/install.sh in the repository (Node.js 20 or later), then try again; or start one yourself and use --storage with any command.";

    /// <summary>However the demo ends, and be it by SIGKILL, its end of the pipe closes, and the emulator goes with it.</summary>
    private const string EndsWithItsInput = "process.stdin.on('close', () => process.exit(0)).resume(); require(process.argv[1]);";

    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);

    private readonly Process _process;

    private AzuriteForDemo(Process process, string blobs, string queues)
    {
        _process = process;
        Storage = StorageSetting.OfDemo($"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};BlobEndpoint={blobs}/{Account};QueueEndpoint={queues}/{Account};");
    }

    public StorageSetting Storage { get; }

    public static async Task<AzuriteForDemo> StartAsync(Surroundings surroundings, CancellationToken cancellationToken)
    {
        var script = FindScript() ?? throw CommandException.Unavailable($"Azurite, the emulator of Azure Storage, is not here. {Install}");
        // In a session of its own: Ctrl-C is for the demo, which still needs its store to clean up.
        var start = new ProcessStartInfo(
            "setsid", ["node", "--eval", EndsWithItsInput, "--", script, "--blobPort", "0", "--queuePort", "0", "--tablePort", "0", "--inMemoryPersistence", "--silent", "--disableTelemetry"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        start.Environment["PATH"] = surroundings.Variable("PATH") ?? "/usr/bin:/bin";
        var process = new Process { StartInfo = start };
        try
        {
#pragma warning disable RS0030 // Not a command of a run: the demo's own service, ended with it.
            process.Start();
#pragma warning restore RS0030
        }
        catch (Win32Exception)
        {
            process.Dispose();
            throw CommandException.Unavailable($"Azurite is started by 'setsid' (util-linux), which is not in PATH. {Install}");
        }

        try
        {
            using var deadline = new CancellationTokenSource(ReadyWithin, surroundings.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var blobs = await EndpointAsync(process, "Azurite Blob service", either.Token);
            var queues = await EndpointAsync(process, "Azurite Queue service", either.Token);
            _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            return new(process, blobs, queues);
        }
        catch (Exception ex)
        {
            await EndAsync(process);
            throw ex is OperationCanceledException && !cancellationToken.IsCancellationRequested
                ? CommandException.Unavailable($"Azurite was not ready within {ReadyWithin.TotalSeconds:0} seconds.")
                : ex;
        }
    }

    public async ValueTask DisposeAsync() => await EndAsync(_process);

    private static async Task EndAsync(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        await process.WaitForExitAsync(CancellationToken.None);
        process.Dispose();
    }

    private static async Task<string> EndpointAsync(Process process, string service, CancellationToken cancellationToken)
    {
        while (await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith(service, StringComparison.Ordinal) && line.IndexOf(Listening, StringComparison.Ordinal) is > 0 and var at)
            {
                return line[(at + Listening.Length)..].TrimEnd('/');
            }
        }

        throw CommandException.Unavailable($"Azurite ended before it was ready. {Install}");
    }

    /// <summary>Above this program, in the repository it was built from; null: it is not installed.</summary>
    private static string? FindScript()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var script = Path.Combine(at.FullName, "tests", "npm", "node_modules", "azurite", "dist", "src", "azurite.js");
            if (File.Exists(script))
            {
                return script;
            }
        }

        return null;
    }
}
