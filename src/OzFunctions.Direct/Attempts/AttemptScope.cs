using OzFunctions.Backends;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Environments;
using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Masking;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>Opens the live log of an attempt.</summary>
internal delegate IAttemptLog OpenAttemptLog(RunId runId, int attempt, string privateDirectory, IAgentLineObserver observer, Func<IOutputFilter> filters);

/// <summary>What all steps of one attempt share.</summary>
internal sealed class AttemptScope(DirectOptions options, IOwnedAttempt owned, AttemptPlaces places, AttemptJournal journal, IAttemptLog log, AttemptMasks masks, AgentOutputReader reader, TimeProvider time)
{
    private CommandEnvironment? _environment;

    public DirectOptions Options => options;

    public IOwnedAttempt Owned => owned;

    public RunRecord Record => owned.Record;

    public AttemptPlaces Places => places;

    public AttemptJournal Journal => journal;

    public IAttemptLog Log => log;

    public AttemptMasks Masks => masks;

    public AgentOutputReader Reader => reader;

    public TimeProvider Time => time;

    /// <summary>As the journal says, should the configuration have changed since.</summary>
    public Workspace Workspace { get; } = journal.WorkspacePath is { } path
        ? Workspace.Known(path, shared: !journal.Has(JournalStep.WorkspaceMine))
        : Workspace.Of(options, owned.Record.RunId, owned.Record.Attempt);

    /// <summary>Throws <see cref="RunRefusedException"/> when the host does not have what the request asks for.</summary>
    public CommandEnvironment Environment => _environment ??= new CommandEnvironment(options, places, Workspace.Path, owned.Record);

    /// <summary>Time of the agent: the request's, at most the policy's.</summary>
    public TimeSpan Timeout { get; } = Least(owned.Record.Request.Timeout ?? options.Timeout, options.Policy.MaxTimeout);

    public TimeSpan SetupTimeout { get; } = Least(owned.Record.Request.SetupTimeout ?? options.SetupTimeout, options.Policy.MaxTimeout);

    /// <summary>What a host says whose run is not its own any more; its write is refused, so nobody reads it in the record.</summary>
    public static Verdict Taken => new(RunReason.HostLost, "The run was taken from this host.");

    /// <summary>Somebody else owns the run: nothing is written for it any more.</summary>
    public bool IsFenced { get; private set; }

    public void NoteFenced() => IsFenced = true;

    /// <summary>Whether an order says that nothing new is started, and what that means for the run; null: go on.</summary>
    public Verdict? FindOrder()
    {
        if (owned.StopOrder == StopOrder.Fenced)
        {
            NoteFenced();
        }

        return owned.StopOrder switch
        {
            null => null,
            StopOrder.Cancel => new(RunReason.TaskCancelled, "The run was cancelled before the agent was started."),
            StopOrder.Shutdown => new(RunReason.GracefulShutdown, "The host was shut down before the agent was started."),
            StopOrder.Lease => new(RunReason.HostLost, "The lease of the host ended before the agent was started."),
            _ => Taken,
        };
    }

    /// <summary>Adds a line of the host to the log.</summary>
    public void Say(string message) => log.AddHostLine(masks.Mask(message));

    /// <summary>Keeps a warning for the record and shows it in the log.</summary>
    public void Warn(string message)
    {
        message = masks.Mask(message);
        if (journal.Warn(message))
        {
            log.AddHostLine("warning: " + message);
        }
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
