using OzFunctions.Cli.CommandLine;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Following;

/// <summary>The exit code that stands for how a run ended (design section 11).</summary>
internal static class RunExit
{
    public static int CodeOf(RunRecord run) => run.State switch
    {
        RunState.Succeeded => ExitCodes.Success,
        RunState.Failed => run.Reason == RunReason.AgentInvocation ? CodeOfAgent(run.CurrentAttempt) : ExitCodes.Failed,
        RunState.Blocked => ExitCodes.Failed,
        RunState.Cancelled => ExitCodes.Cancelled,
        RunState.Error => ExitCodes.Internal,
        _ => ExitCodes.WaitEnded,
    };

    private static int CodeOfAgent(AttemptRecord? attempt) => attempt switch
    {
        // What it ended with when we stopped it is no word of its own; 130 would say cancelled.
        { StoppedBy: not null } => ExitCodes.Failed,
        { ExitCode: > 0 and < 256 and var code } => code,
        { Signal: { } signal } when NumberOf(signal) is > 0 and var number => 128 + number,
        _ => ExitCodes.Failed,
    };

    private static int NumberOf(string signal) => signal switch
    {
        "SIGHUP" => 1,
        "SIGINT" => 2,
        "SIGQUIT" => 3,
        "SIGILL" => 4,
        "SIGTRAP" => 5,
        "SIGABRT" => 6,
        "SIGBUS" => 7,
        "SIGFPE" => 8,
        "SIGKILL" => 9,
        "SIGUSR1" => 10,
        "SIGSEGV" => 11,
        "SIGUSR2" => 12,
        "SIGPIPE" => 13,
        "SIGALRM" => 14,
        "SIGTERM" => 15,
        "SIGXCPU" => 24,
        "SIGXFSZ" => 25,
        "SIGSYS" => 31,
        _ when signal.StartsWith("SIG", StringComparison.Ordinal) && int.TryParse(signal.AsSpan(3), out var number) => number,
        _ => 0,
    };
}
