using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>The teardown command of an attempt, told how the run ended.</summary>
internal static class TeardownCommand
{
    /// <summary>Null when none is configured.</summary>
    public static ShimCommand? Find(AttemptScope scope, Verdict verdict, ShimCommandStatus? agent) => scope.Options.TeardownCommand is not { } command
        ? null
        : new ShimCommand
        {
            Phase = ShimPhase.Teardown,
            Arguments = ["/bin/sh", "-c", command],
            Environment = scope.Environment.ForTeardown(verdict.Reason, agent?.ShellCode),
            WorkingDirectory = scope.Workspace.Path,
            Timeout = scope.Options.TeardownTimeout,
            StopGrace = scope.Options.StopGrace,
            FinishedGrace = scope.Options.TeardownTimeout,
        };
}
