using System.Diagnostics;

namespace OzFunctions.Testing;

/// <summary>
/// The one place in tests that starts processes: both pipes drained, standard input open, killed when disposed. Tests wait for lines, not for time.
/// </summary>
public sealed class TestProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task _pumping;
    private readonly Lock _lock = new();
    private readonly List<string> _output = [];
    private readonly List<string> _errors = [];
    private readonly Alarm _changed = new(TimeProvider.System);

    private TestProcess(Process process)
    {
        _process = process;
        Id = process.Id;
        _pumping = Task.WhenAll(PumpAsync(process.StandardOutput, _output), PumpAsync(process.StandardError, _errors));
    }

    public int Id { get; }

    public StreamWriter Input => _process.StandardInput;

    public bool HasExited => _process.HasExited;

    /// <summary>Lines of standard output so far.</summary>
    public IReadOnlyList<string> Output => Copy(_output);

    /// <summary>Lines of standard error so far.</summary>
    public IReadOnlyList<string> Errors => Copy(_errors);

    /// <summary>Starts a program. The environment is the test's own with the given changes; a null value removes a variable.</summary>
    public static TestProcess Start(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? workingDirectory = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = workingDirectory ?? "",
        };
        // A .NET process that is killed leaves its debugger's pipes in the temp directory otherwise.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

#pragma warning disable RS0030 // This is the place tests start processes at.
        return new(Process.Start(start) ?? throw new InvalidOperationException($"'{program}' did not start."));
#pragma warning restore RS0030
    }

    /// <summary>Starts an assembly of .NET that was built beside the tests.</summary>
    public static TestProcess StartAssembly(
        string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? workingDirectory = null) =>
        Start(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", assembly, .. arguments], environment, workingDirectory);

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(
        string program, IEnumerable<string> arguments, CancellationToken cancellationToken, IReadOnlyDictionary<string, string?>? environment = null)
    {
        await using var process = Start(program, arguments, environment);
        var exitCode = await process.WaitForExitAsync(cancellationToken);
        return (exitCode, string.Join('\n', process.Output), string.Join('\n', process.Errors));
    }

    /// <summary>Waits for a line of standard output; fails when the process ends without it.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> isIt, CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = _changed.Next;
            var ended = _pumping.IsCompleted;
            if (Output.FirstOrDefault(isIt) is { } line)
            {
                return line;
            }

            if (ended)
            {
                throw new InvalidOperationException($"Process {Id} ended without the line. It wrote:\n{string.Join('\n', Output)}\n{string.Join('\n', Errors)}");
            }

            await Task.WhenAny(next, _pumping).WaitAsync(cancellationToken);
        }
    }

    public Task<string> WaitForLineAsync(string text, CancellationToken cancellationToken) =>
        WaitForLineAsync(line => line.Contains(text, StringComparison.Ordinal), cancellationToken);

    /// <summary>Waits for the end and for all output; answers the exit code, 128 + n by signal.</summary>
    public async Task<int> WaitForExitAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        await _pumping.WaitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>kill -9 of this process alone, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        await _process.WaitForExitAsync(deadline.Token);
    }

    /// <summary>Sends a signal by its number.</summary>
    public void Signal(int number) => Signals.Send(Id, number);

    public async ValueTask DisposeAsync()
    {
        await KillAsync();

        // A child of it may hold the pipes open; it is for the test to find it.
        await Task.WhenAny(_pumping, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System));
        _process.Dispose();
    }

    private async Task PumpAsync(StreamReader reader, List<string> lines)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                lock (_lock)
                {
                    lines.Add(line);
                }

                _changed.Ring();
            }
        }
        catch (ObjectDisposedException)
        {
            // Disposed while something else still holds the pipe.
        }
    }

    private List<string> Copy(List<string> lines)
    {
        lock (_lock)
        {
            return [.. lines];
        }
    }
}
