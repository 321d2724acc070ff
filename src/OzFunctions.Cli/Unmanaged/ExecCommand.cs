using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using OzFunctions.Backends;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Submitting;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Cli.Workers;
using OzFunctions.Configuration;
using OzFunctions.Direct;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Posix;
using OzFunctions.Intake;
using OzFunctions.Local;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Unmanaged;

/// <summary><c>ozf exec</c>: the agent here and now, in front of its caller, and a tracked run all the same (unmanaged runs).</summary>
internal static class ExecCommand
{
    private const string ResultFile = "--result-file";

    private static readonly TimeSpan SendingMayTake = TimeSpan.FromSeconds(30);

    /// <summary>As long as a store that went away while the agent ran is waited for.</summary>
    private static readonly TimeSpan KeptMayTake = TimeSpan.FromSeconds(20);

    public static Command Create(Surroundings surroundings)
    {
        var flags = new AgentFlags();
        var agent = new Option<string?>("--agent") { HelpName = string.Join('|', ForeignAgent.Names), Description = "Which agent is called [default: oz]" };
        agent.AcceptOnlyFromAmong(ForeignAgent.Names);
        var command = new Option<string?>("--agent-command") { HelpName = "CMD", Description = "Another agent: program and arguments, {prompt} where the prompt belongs" };
        var result = new Option<string?>(ResultFile) { HelpName = "FILE", Description = "Write run id, state and places as JSON when the run is over" };
        var rest = new Argument<string[]>("agent-args") { Description = "Everything after -- goes to the agent unchanged", Arity = ArgumentArity.ZeroOrMore };
        return new Command("exec", "Run the agent here and now, tracked, without a queue")
            .With([.. flags.All, agent, command, result, rest])
            .Does(surroundings, (context, cancellationToken) => RunAsync(context, flags, new(context.Get(agent), context.Get(command), context.Get(result), context.Get(rest) ?? []), cancellationToken));
    }

    private static async Task<int> RunAsync(CommandContext context, AgentFlags flags, ExecOptions options, CancellationToken cancellationToken)
    {
        // First of all: whatever this call is refused for, the file of an earlier one must not pass for its own.
        var resultFile = options.ResultFile is { } given ? ClearResultFile(context.Surroundings, given) : null;
        RefuseLooseWords(context, options.Rest);
        context.RefuseServer();
        RefuseContradictions(context, flags, options);
        var settings = ExecPlaces.OfCaller(context.LoadSettings(new(), orKept: true));
        settings.RequireSecretsOfCall();
        var directory = FindDirectory(context, flags);
        var standIn = options.AgentCommand is { } line ? line : context.Get(flags.TaskId) is { } task ? "task " + task : null;
        var hasPrompt = context.Has(flags.Request.Prompt) || context.Has(flags.Request.SavedPrompt) || context.Has(flags.Request.Skill);
        var under = standIn is null || hasPrompt ? new JsonObject() : new JsonObject { ["prompt"] = standIn };
        var request = flags.OfCaller(context, await RequestText.ReadAsync(flags.Request, context, under, [], cancellationToken));
        var withoutStandIn = standIn is not null && !hasPrompt ? request with { Prompt = null } : request;
        var foreign = ForeignAgent.Find(options.Agent, options.AgentCommand, withoutStandIn, options.Rest, context.Surroundings);
        if (foreign is not null && flags.OnlyForOz(context).ToList() is { Count: > 0 } wrong)
        {
            throw CommandException.Usage($"only oz knows {string.Join(", ", wrong)}; leave it out, or give {foreign.Program} its own flags behind --.");
        }

        // The record's harness says how the output is read, and how a retry would call the agent.
        request = foreign?.Harness is { } harness ? request with { Harness = harness } : request;
        using var signals = new ExecSignals();
        using var output = new AgentOutput(context.Surroundings.OutBytes(), context.Surroundings.ErrorBytes());
        var end = new KnownEnd();
        var direct = CreateDirect(context, settings, flags, options, foreign, directory) with { Output = output.Write, Decided = end.Note, StopHard = signals.Hard };
        if (AgentLookup.Find(direct) is { Fault: { } fault })
        {
            throw CommandException.Unavailable(foreign is null && direct.OzPath is null ? $"oz CLI not found. {fault}" : fault);
        }

        // Other processes of this user, the agent among them, must not read the secrets of this one's configuration through /proc.
        ProcessDumpable.Disable();
        using var loggers = context.Loggers(context.Surroundings.Variable("OZF_DEBUG") == "1" ? LogLevel.Debug : LogLevel.Error);
        using var warnings = context.Loggers(LogLevel.Warning);
        using var export = TelemetryExport.StartCall(context.Surroundings, settings.WorkerId, warnings.CreateLogger("OzFunctions.Cli"));
        var submission = new RunSubmission
        {
            Request = request,
            Trigger = new() { Kind = TriggerKind.Exec },
            AskedBy = context.Surroundings.Variable("USER"),
            Traceparent = context.Traceparent,
        };
        await using var first = await TrackedExec.BeginAsync(context, settings, direct, submission, withoutStandIn, loggers, cancellationToken);
        if (!first.Spooled && !settings.IsStoreNamed)
        {
            context.Screen.Note($"ozf: run {first.Run.RunId}, record and log in {settings.DataDirectory}");
        }

        var record = await CarryOutAsync(first, end, signals, cancellationToken);
        await using var kept = first.Host.GaveUpStart ? await first.KeepHereAsync(context, settings, direct, submission, withoutStandIn, loggers, cancellationToken) : null;
        record = kept is null ? record : await CarryOutAsync(kept, end, signals, cancellationToken);
        var tracked = kept ?? first;
        var spooled = tracked.Spooled || record is null;
        var known = record ?? end.Of(tracked.Run);

        // Let go before anything was decided: stopped while a store that hangs kept the agent from its start.
        var code = known.State.IsTerminal() ? RunExit.CodeOf(known) : signals.Asked ? ExitCodes.Cancelled : ExitCodes.Internal;
        TellEnd(context, known, signals.Asked);

        if (record is null)
        {
            context.Screen.Warn($"the store went away; how run {tracked.Run.RunId} ended is kept in {tracked.Root} and settled by 'ozf sync' or the next 'ozf exec' here.");
        }
        else if (!tracked.Spooled)
        {
            await SendSpooledAsync(context, tracked, settings, warnings);
        }
        else if (kept is not null && await SendKeptAsync(context, kept, settings, warnings) is { } sent)
        {
            // Log and artifacts are there now, no longer where this record says.
            (known, spooled) = (sent, false);
        }

        if (resultFile is not null)
        {
            WriteResult(context, resultFile, known, code, spooled);
        }

        return code;
    }

    /// <summary>Nothing else would tell the caller why there was no agent, or none any more: an agent that is stopped says nothing of it.</summary>
    private static void TellEnd(CommandContext context, RunRecord run, bool asked)
    {
        if (run.Message is not { } message)
        {
            return;
        }

        if (run.State is RunState.Succeeded && run.CurrentAttempt is { StoppedBy: not null })
        {
            context.Screen.Warn(message);
        }
        else if (run.State is RunState.Error || (run.State is RunState.Cancelled && !asked)
            || (run.State is RunState.Failed && (run.Reason is not RunReason.AgentInvocation || run.CurrentAttempt is { StoppedBy: not null })))
        {
            context.Screen.Fail(message);
        }
    }

    /// <summary>The record at the end; null where the rest of it is left to another call.</summary>
    private static Task<RunRecord?> CarryOutAsync(TrackedExec tracked, KnownEnd end, ExecSignals signals, CancellationToken cancellationToken)
    {
        end.Noted = tracked.Host.NoteAgentEnded;
        signals.Attach(tracked.Host);
        return tracked.Host.RunAsync(cancellationToken);
    }

    /// <summary>What stands before <c>--</c> and is no flag of ours was meant as one.</summary>
    private static void RefuseLooseWords(CommandContext context, IReadOnlyList<string> words)
    {
        var loose = words.Take(words.Count - Math.Min(words.Count, context.WordsBehindDashes)).ToList();
        if (loose.Count > 0)
        {
            var word = loose[0];
            throw CommandException.Usage(word.StartsWith('-')
                ? $"unknown flag '{word.Split('=')[0]}'; what only the agent knows stands behind --."
                : $"unknown argument '{(word.Length > 60 ? word[..60] + "…" : word)}'; the prompt is given with -p, what only the agent knows stands behind --.");
        }
    }

    /// <summary>What is said twice, or to nobody, is not chosen from in silence.</summary>
    private static void RefuseContradictions(CommandContext context, AgentFlags flags, ExecOptions options)
    {
        if (options is { Agent: not null, AgentCommand: not null })
        {
            throw CommandException.Usage("--agent and --agent-command both say which agent is called; give one of them.");
        }

        if (options.AgentCommand is not null && context.Has(flags.Request.Model))
        {
            throw CommandException.Usage("--model: how the program of --agent-command is told a model is not known; leave it out, and write the program's own flag into --agent-command or behind --.");
        }
    }

    private static string FindDirectory(CommandContext context, AgentFlags flags)
    {
        var directory = context.Get(flags.Cwd) is { } given ? Path.GetFullPath(Path.Combine(context.Surroundings.Directory, given)) : context.Surroundings.Directory;
        return Directory.Exists(directory)
            ? directory
            : throw CommandException.Usage(File.Exists(directory) ? $"--cwd: '{directory}' is not a directory." : $"--cwd: '{directory}' does not exist.");
    }

    /// <summary>For a command line that the parser refuses: what an earlier call wrote to the file is removed all the same.</summary>
    public static void ClearResultFile(ParseResult parsed, Surroundings surroundings)
    {
        if (parsed.CommandResult.Command.Options.FirstOrDefault(option => option.Name == ResultFile) is { } file && parsed.GetResult(file) is { Tokens: [var given] })
        {
            ClearResultFile(surroundings, given.Value);
        }
    }

    /// <summary>A slip in its name is told before an agent works for hours. What an earlier call wrote there is removed.</summary>
    private static string ClearResultFile(Surroundings surroundings, string given)
    {
        var path = Path.GetFullPath(Path.Combine(surroundings.Directory, given));
        if (Directory.Exists(path))
        {
            throw CommandException.Usage($"--result-file: '{path}' is a directory; name a file.");
        }

        if (!Directory.Exists(Path.GetDirectoryName(path)))
        {
            throw CommandException.Usage($"--result-file: there is no directory '{Path.GetDirectoryName(path)}'; make it, or name another file.");
        }

        // An empty file says nothing that could be wrong; devices and fifos are empty too where they cannot be told from files.
        if (Libc.FindFacts(path) is { IsRegular: true, Length: > 0 })
        {
            try
            {
                File.Delete(path);
            }
            catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
            {
                throw CommandException.Usage($"--result-file: '{path}' of an earlier call cannot be removed ({ex.Message.TrimEnd('.')}); remove it, or name another file.");
            }
        }

        return path;
    }

    /// <summary>The exit code is the agent's, also where this file cannot be written.</summary>
    private static void WriteResult(CommandContext context, string path, RunRecord run, int code, bool spooled)
    {
        try
        {
            ExecResult.Write(path, run, code, spooled);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            context.Screen.Warn($"--result-file: {path} could not be written: {ex.Message}");
        }
    }

    /// <summary>Nothing of the worker's configuration reaches the agent: no setup, no environment, no added flags.</summary>
    private static DirectOptions CreateDirect(CommandContext context, Settings settings, AgentFlags flags, ExecOptions options, ForeignAgent? foreign, string directory)
    {
        var environment = new Dictionary<string, string>(context.Surroundings.Environment, OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
        if (context.Get(flags.ApiKey) is { } key)
        {
            // Never on the agent's command line, where every account could read it.
            environment[WorkerSetup.ApiKey] = key;
        }

        var standard = WorkerSetup.Create(settings, new(), environment).Direct;
        return standard with
        {
            TargetDir = directory,
            OzPath = foreign?.Program ?? standard.OzPath,
            SetupCommand = null,
            TeardownCommand = null,
            PrivateHome = false,
            InheritHookEnvironment = false,
            FinishedPattern = null,
            Managed = false,
            ForeignArguments = foreign?.Arguments,
            AgentArguments = foreign is null ? [.. flags.PassedOn(context), .. options.Rest] : [],
            LogBytes = settings.Configuration.Limits.LogBytes,
        };
    }

    /// <summary>What earlier calls had to keep here goes to the store now that it answers.</summary>
    private static async Task SendSpooledAsync(CommandContext context, TrackedExec tracked, Settings settings, ILoggerFactory loggers)
    {
        using var deadline = new CancellationTokenSource(SendingMayTake, context.Time);
        try
        {
            await SyncCommand.SendAfterAsync(context, tracked, settings, loggers, deadline.Token);
        }
        catch (Exception ex) when (TrackedExec.IsAway(ex))
        {
            // They stay where they are.
        }
    }

    private static async Task<RunRecord?> SendKeptAsync(CommandContext context, TrackedExec kept, Settings settings, ILoggerFactory loggers)
    {
        using var deadline = new CancellationTokenSource(KeptMayTake, context.Time);
        try
        {
            return await SyncCommand.SendKeptAsync(context, kept, settings, loggers, deadline.Token);
        }
        catch (Exception ex) when (TrackedExec.IsAway(ex))
        {
            // It stays where the warning said.
            return null;
        }
    }

    /// <summary>How the attempt ended, known before anything of it is stored.</summary>
    private sealed class KnownEnd
    {
        private AttemptOutcome? _outcome;

        public Action? Noted { get; set; }

        public void Note(AttemptOutcome outcome)
        {
            _outcome = outcome;
            Noted?.Invoke();
        }

        /// <summary>The record as it will be; as it was where nothing is known.</summary>
        public RunRecord Of(RunRecord begun) => _outcome is { } outcome
            ? begun with { State = outcome.Reason.State(), Reason = outcome.Reason, Message = outcome.Message, Attempts = [outcome.Attempt] }
            : begun;
    }
}

/// <summary>What the command line of <c>ozf exec</c> says beside the agent's own flags.</summary>
internal sealed record ExecOptions(string? Agent, string? AgentCommand, string? ResultFile, IReadOnlyList<string> Rest);
