using System.Globalization;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Local;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>Where an <c>ozf exec</c> keeps what is its own on this machine, and where it keeps a run whose store is away.</summary>
internal static class ExecPlaces
{
    /// <summary>Private directories of attempts; beside the data, or in the temporary directory where the data cannot be written.</summary>
    public static string RootOf(string data) => Path.Combine(data, "exec");

    /// <summary>Spools, the preferred one first: small stores of plain files that <c>ozf sync</c> empties.</summary>
    public static IEnumerable<string> Spools(Settings settings, Surroundings surroundings)
    {
        yield return Path.Combine(settings.DataDirectory, "exec-spool");
        yield return Path.Combine(
            surroundings.Variable("TMPDIR") ?? Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"ozf-spool-{Environment.UserName}"));
    }

    /// <summary>The same settings without what belongs to a worker's runs only: its account and its limits.</summary>
    public static Settings OfCaller(Settings settings) => settings with
    {
        Configuration = settings.Configuration with { Direct = settings.Configuration.Direct with { User = null, Limits = new() } },
    };

    /// <summary>The same settings over a spool: nothing is published from there.</summary>
    public static Settings SettingsOfSpool(Settings settings, string spool) => settings with
    {
        DataDirectory = spool,
        Storage = null,
        Configuration = settings.Configuration with { Events = [], Storage = null },
    };

    /// <summary>Makes a directory that only this user can enter; false: it cannot be had here.</summary>
    public static bool TryMake(string path)
    {
        try
        {
            PrivateFiles.CreateDirectory(path);
            return NetworkFileSystems.Find(path) is null && !PrivateFiles.IsOpenToOthers(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
