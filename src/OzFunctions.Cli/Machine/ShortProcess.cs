using System.ComponentModel;
using System.Diagnostics;

namespace OzFunctions.Cli.Machine;

/// <summary>Asks another program something and waits for its answer: <c>git</c> for the demo, <c>oz --version</c> for the doctor. Never a command of a run.</summary>
internal static class ShortProcess
{
    /// <summary>Null when the program is not there or did not answer in time.</summary>
    /// <param name="environment">All that the program sees of the environment.</param>
    public static async Task<ShortAnswer?> AskAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        string directory,
        TimeSpan atMost,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = directory,
        };
        start.Environment.Clear();
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = new Process { StartInfo = start };
        try
        {
#pragma warning disable RS0030 // Not a command of a run: short, bounded, and its output goes to the person who asked.
            process.Start();
#pragma warning restore RS0030
        }
        catch (Win32Exception)
        {
            return null;
        }

        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(atMost, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(either.Token);
            var error = process.StandardError.ReadToEndAsync(either.Token);
            await process.WaitForExitAsync(either.Token);
            return new(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}

/// <summary>What a short process said.</summary>
internal sealed record ShortAnswer(int ExitCode, string Output, string Error);
