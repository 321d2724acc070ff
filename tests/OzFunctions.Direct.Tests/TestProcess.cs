using System.Diagnostics;

namespace OzFunctions.Direct.Tests;

/// <summary>Starts the tools that a test needs (git, mount); what a run starts goes through the shim.</summary>
internal static class TestProcess
{
    public static async Task<int> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var (exitCode, _) = await ReadAsync(program, arguments, cancellationToken);
        return exitCode;
    }

    public static async Task<(int ExitCode, string Output)> ReadAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        process.StartInfo.Environment["GIT_CONFIG_GLOBAL"] = "/dev/null";
        process.StartInfo.Environment["GIT_CONFIG_NOSYSTEM"] = "1";
#pragma warning disable RS0030 // The one place where the tests of this project start a process of their own.
        process.Start();
#pragma warning restore RS0030
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, output + await errors);
    }
}
