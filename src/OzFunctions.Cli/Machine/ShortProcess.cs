using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace OzFunctions.Cli.Machine;

/// <summary>
/// Asks another program something and waits for its answer: <c>git</c> for the demo and the doctor, the command of an event's publisher. Never a command of a run, nor
/// a file that runs may write.
/// </summary>
internal static class ShortProcess
{
    /// <summary>A grandchild may hold the pipes open for ever; they are not worth waiting for once the program is gone.</summary>
    private static readonly TimeSpan PipesWithin = TimeSpan.FromSeconds(1);

    /// <summary>A program that is not there, or did not answer in time, is an answer too.</summary>
    /// <param name="environment">All that the program sees of the environment.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="mostOutput">Characters kept of each of its outputs, the last whole lines; what is more is drained and dropped.</param>
    public static async Task<ShortAnswer> AskAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        string directory,
        TimeSpan atMost,
        TimeProvider time,
        CancellationToken cancellationToken,
        ReadOnlyMemory<byte> input = default,
        int mostOutput = 1 << 20)
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
        catch (Win32Exception ex)
        {
            return new(null, "", "") { Fault = $"could not be started: {ex.Message.TrimEnd('.')}." };
        }

        using var deadline = new CancellationTokenSource(atMost, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(either.Token);
        try
        {
            var output = DrainAsync(process.StandardOutput, mostOutput, reading.Token);
            var error = DrainAsync(process.StandardError, mostOutput, reading.Token);
            await FeedAsync(process.StandardInput, input, either.Token);
            await process.WaitForExitAsync(either.Token);
            await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(PipesWithin, time, either.Token));
            await reading.CancelAsync();
            return new(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(null, "", "") { Fault = string.Create(CultureInfo.InvariantCulture, $"did not end within {atMost.TotalSeconds:0} s and was ended.") };
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static async Task FeedAsync(StreamWriter to, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        try
        {
            await to.BaseStream.WriteAsync(input, cancellationToken);
            to.Close();
        }
        catch (IOException)
        {
            // It read no further, which is its own affair: its exit code says what it thinks.
        }
    }

    /// <summary>Reads to the end, or until it is told to stop, and keeps the last lines.</summary>
    private static async Task<string> DrainAsync(StreamReader from, int most, CancellationToken stop)
    {
        var kept = new StringBuilder();
        var buffer = new char[4096];
        var cut = false;
        try
        {
            while (await from.ReadAsync(buffer, stop) is > 0 and var read)
            {
                kept.Append(buffer, 0, read);
                if (kept.Length > most)
                {
                    kept.Remove(0, kept.Length - most);
                    cut = true;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // What was read is what there is.
        }

        // What the first line lost may be the beginning of a secret, and its rest could not be masked.
        var text = kept.ToString();
        return cut ? text[(text.IndexOf('\n', StringComparison.Ordinal) is >= 0 and var end ? end + 1 : text.Length)..] : text;
    }
}

/// <summary>What a short process said.</summary>
/// <param name="ExitCode">Null: it did not come to one; <see cref="Fault"/> says why.</param>
internal sealed record ShortAnswer(int? ExitCode, string Output, string Error)
{
    /// <summary>The end of a sentence that begins with the program.</summary>
    public string? Fault { get; init; }
}
