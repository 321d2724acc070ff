using System.Globalization;
using OzFunctions.Direct.Posix;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Tells which limits this user may not set, before the kernel refuses them to each command.</summary>
public static class LimitRights
{
    private const int OpenFiles = 7;
    private const int LowestOwnNice = 0;

    /// <summary>A sentence with the way out; null: all can be set.</summary>
    public static string? FindFault(ShimLimits limits)
    {
        if (Libc.GetUser() == 0)
        {
            return null;
        }

        if (limits.Nice < LowestOwnNice)
        {
            return Text("nice", limits.Nice, "only root may go below 0; choose 0 to 19");
        }

        if (limits.OomScoreAdj is { } score && ReadOwnScore() is { } own && score < own)
        {
            return Text("oom_score_adj", score, string.Create(CultureInfo.InvariantCulture, $"only root may go below the host's own {own}; choose {own} to 1000"));
        }

        return limits.OpenFiles is { } files && HardLimit() is { } hard && (ulong)files > hard
            ? Text("open_files", files, string.Create(CultureInfo.InvariantCulture, $"this host's own hard limit is {hard}; choose less, or raise it (LimitNOFILE in its unit)"))
            : null;
    }

    private static string Text(string key, int? value, string rule) =>
        string.Create(CultureInfo.InvariantCulture, $"backend.direct.limits.{key}: {value}: {rule}.");

    private static int? ReadOwnScore()
    {
        try
        {
            return int.Parse(File.ReadAllText("/proc/self/oom_score_adj"), CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static unsafe ulong? HardLimit()
    {
        var limits = stackalloc ulong[2];
        return Libc.GetLimit(OpenFiles, limits) == 0 ? limits[1] : null;
    }
}
