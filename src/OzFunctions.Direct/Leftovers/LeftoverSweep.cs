using Microsoft.Extensions.Logging;
using OzFunctions.Direct.Workspaces;

namespace OzFunctions.Direct.Leftovers;

/// <summary>Now and then removes what no living attempt needs and only we can have made; beside the host's work, never in its way.</summary>
internal sealed partial class LeftoverSweep(DirectOptions options, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(10);
    private readonly Lock _gate = new();
    private DateTimeOffset _next;
    private Task _running = Task.CompletedTask;

    /// <summary>Starts a sweep when one is due and none is under way.</summary>
    public Task MayBegin()
    {
        lock (_gate)
        {
            if (_running.IsCompleted && time.GetUtcNow() >= _next)
            {
                _next = time.GetUtcNow() + Every;
                _running = Task.Run(Sweep);
            }

            return _running;
        }
    }

    public void Sweep()
    {
        var root = Workspace.FindRoot(options);
        if (!Directory.Exists(Path.Combine(root, ".ozf")))
        {
            return;
        }

        try
        {
            foreach (var path in new LeftDirectories(root).Sweep().Concat(ShimBinaries.Sweep(Path.Combine(root, ".ozf"), time.GetUtcNow())))
            {
                Removed(path);
            }

            new MachineHostLocks(options, time).Sweep();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            NotSwept(root, exception);
        }
    }

    [LoggerMessage(LogLevel.Information, "Left over and removed now: {Path}")]
    private partial void Removed(string path);

    [LoggerMessage(LogLevel.Warning, "What is left over below {Root} could not be looked at; it is tried again")]
    private partial void NotSwept(string root, Exception exception);
}
