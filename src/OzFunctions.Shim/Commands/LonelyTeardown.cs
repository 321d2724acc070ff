using System.Globalization;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>The teardown that a shim runs when no host is left, told what the shim itself saw (design section 8.7): the host could not know it when it gave the order.</summary>
internal static class LonelyTeardown
{
    private static readonly TimeSpan LongestTime = TimeSpan.FromMinutes(10);

    public static ShimCommand Of(ShimCommand ordered, ShimStatus status)
    {
        var command = ordered with { Timeout = ordered.Timeout ?? LongestTime };
        var agent = status.Find(ShimPhase.Agent);
        string[] told =
        [
            .. LonelyVerdict.Of(status) is var (state, reason) ? new[] { $"OZF_RUN_STATE={state}", $"OZF_RUN_REASON={reason}" } : [],
            .. agent is { Ended: true, SpawnError: 0 } ? new[] { "OZF_EXIT_CODE=" + agent.ShellCode?.ToString(CultureInfo.InvariantCulture) } : [],
        ];
        return told.Length == 0 ? command : command with { Environment = [.. command.Environment.Where(entry => !told.Any(ours => NameOf(ours) == NameOf(entry))), .. told] };
    }

    private static string NameOf(string entry) => entry.Split('=', 2)[0];
}
