namespace OzFunctions.FakeAgent;

/// <summary>Mistakes of a host that the real CLI would let pass and that would hurt: refused here with exit 90.</summary>
internal static class Guard
{
    public const int ExitCode = 90;

    public static string? FindRefusal(string[] args)
    {
        if (Environment.GetEnvironmentVariable("OZ_RUN_ID") is not null)
        {
            return "fake-oz: OZ_RUN_ID is set for the agent; the real CLI would take it for a run id of Warp's.";
        }

        foreach (var argument in args)
        {
            if (argument is "--sandboxed" or "--profile" || argument.StartsWith("--profile=", StringComparison.Ordinal))
            {
                return null;
            }
        }

        return "fake-oz: neither --sandboxed nor --profile is given; the real CLI's denylist would block sh, curl, rm and more.";
    }
}
