using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Direct;
using OzFunctions.Direct.Accounts;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Shims;
using OzFunctions.Hosts;
using OzFunctions.Local;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Cli.Workers;

/// <summary>Puts a worker host of this machine together.</summary>
internal static partial class LocalHost
{
    public static async Task<WorkerHost> CreateAsync(
        OpenStore store, WorkerSetup setup, long logBytes, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        string shim;
        try
        {
            shim = await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), setup.Direct.WorkspaceRoot, cancellationToken);
        }
        catch (ShimException ex)
        {
            throw CommandException.Unavailable(ex.Message);
        }

        var audit = loggers.CreateLogger("OzFunctions.Audit");
        var blobs = store.Core.Ports.Blobs;
        var logs = new AttemptLogs(blobs, LogOptions(store, logBytes), time, loggers.CreateLogger<AttemptLogs>());
        var backend = new DirectBackend(setup.Direct with { Audit = (record, line) => Audit(audit, record.RunId, line) }, new Shims(new(shim), time), logs.Open, blobs, time, loggers.CreateLogger<DirectBackend>());
        return store.Core.CreateHost(setup.Worker, backend, setup.Behaviour.ConsumeRequests ? store.Requests : null);
    }

    /// <summary>Appends to a remote store are fewer and larger, and still there within a second.</summary>
    private static AttemptLogOptions LogOptions(OpenStore store, long logBytes) => store.IsRemote
        ? new() { Cap = logBytes, FlushAfter = TimeSpan.FromMilliseconds(600), BatchBytes = 512 << 10 }
        : new() { Cap = logBytes };

    /// <summary>Refuses what could only fail every run, before anything is claimed.</summary>
    public static void Check(DirectOptions direct)
    {
        if (AgentLookup.Find(direct) is { Fault: { } fault })
        {
            throw CommandException.Unavailable($"oz CLI not found. {fault}", "Without one, 'ozf demo' shows the whole job with an agent of its own.");
        }

        CheckWorkspaces(direct);
    }

    /// <summary>Refuses what the kernel would refuse each command.</summary>
    private static void CheckLimits(ShimLimits limits)
    {
        if (LimitRights.FindFault(limits) is { } fault)
        {
            throw CommandException.Usage(fault);
        }
    }

    /// <summary>Runs of another account must get at their agent and their workspaces.</summary>
    private static void CheckAccount(DirectOptions direct)
    {
        if (direct.User is not { } account)
        {
            return;
        }

        RefuseIntruder(direct);
        if (direct.TargetDir is null)
        {
            // Its own files in there stay closed; this only lets commands pass to what is theirs.
            File.SetUnixFileMode(direct.WorkspaceRoot, File.GetUnixFileMode(direct.WorkspaceRoot) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }

        if (AccountAccess.FindObstacle(account, direct.TargetDir ?? direct.WorkspaceRoot) is { } place)
        {
            throw CommandException.Usage($"backend.direct.user: {place}, which is on the way to {direct.TargetDir ?? direct.WorkspaceRoot}; open it (chmod o+x), or set backend.direct.workspace_root to a place such as /var/lib/oz/workspaces.");
        }

        if (AgentLookup.Find(direct).Path is { } agent && AccountAccess.FindObstacle(account, agent) is { } obstacle)
        {
            throw CommandException.Usage($"backend.direct.user: {obstacle}, so the agent {agent} would not run; install it where every account can execute it, and name it in backend.direct.oz_path.");
        }
    }

    /// <summary>Root executes what lies below the workspace root: whoever can put something else there would be root.</summary>
    private static void RefuseIntruder(DirectOptions direct)
    {
        foreach (var place in direct.User is null ? Array.Empty<string>() : [direct.WorkspaceRoot, Path.Combine(direct.WorkspaceRoot, ".ozf")])
        {
            if (AccountAccess.FindIntruder(place) is { } intruder)
            {
                throw CommandException.Usage(
                    $"backend.direct.workspace_root: {direct.WorkspaceRoot}: with backend.direct.user this directory and all above it must belong to root and be writable for nobody else, as root executes what lies in it; but {intruder}. Name a place such as /var/lib/oz/workspaces, or change that (chown root, chmod go-w).");
            }
        }
    }

    /// <summary>The same without the agent: workspaces, the account that runs belong to, their limits.</summary>
    public static void CheckWorkspaces(DirectOptions direct)
    {
        if (direct.TargetDir is { } target && !Directory.Exists(target))
        {
            throw CommandException.Usage(File.Exists(target)
                ? $"target directory {target} is not a directory (--target-dir, backend.direct.target_dir)."
                : $"target directory {target} does not exist (--target-dir, backend.direct.target_dir).");
        }

        if (NetworkFileSystems.Find(direct.WorkspaceRoot) is { } kind)
        {
            throw CommandException.Unavailable(
                $"the workspace root {direct.WorkspaceRoot} is on a network file system ({kind}), whose locks cannot be trusted; set backend.direct.workspace_root to a local directory.");
        }

        // Before root makes anything on the way, too.
        RefuseIntruder(direct);
        try
        {
            Directory.CreateDirectory(direct.WorkspaceRoot, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Unavailable(
                $"the workspace root {direct.WorkspaceRoot} cannot be made: {ex.Message} Make it for this user, or set backend.direct.workspace_root to another place.");
        }

        CheckAccount(direct);
        CheckLimits(direct.Limits);
    }

    [LoggerMessage(LogLevel.Information, "Run {RunId} starts its agent: {Audit}")]
    private static partial void Audit(ILogger logger, RunId runId, string audit);
}
