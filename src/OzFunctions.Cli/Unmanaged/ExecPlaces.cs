using System.Globalization;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Local;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>Where an <c>ozf exec</c> keeps what is its own on this machine, and where it keeps a run whose store is away.</summary>
internal static class ExecPlaces
{
    /// <summary>Where private directories of attempts may be, the preferred place first: below the data, else where a spool would be.</summary>
    public static IReadOnlyList<string> Roots(Settings settings, Surroundings surroundings) =>
        [.. Spools(settings, surroundings).Prepend(settings.DataDirectory).Select(RootOf)];

    /// <summary>Those of them in which somebody's attempt is, perhaps one that goes on.</summary>
    public static IEnumerable<string> RootsWithAttempts(Settings settings, Surroundings surroundings) =>
        Roots(settings, surroundings).Where(root => AttemptDirectories.Find(Path.Combine(root, ".ozf")).Any());

    /// <summary>The one that belongs to a store of plain files or to a spool.</summary>
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

    /// <summary>Spools that are there, as settings of the stores that they are.</summary>
    public static IEnumerable<Settings> FindSpools(Settings settings, Surroundings surroundings) =>
        Spools(settings, surroundings).Where(spool => Directory.Exists(spool) && FindFault(spool) is null).Select(spool => SettingsOfSpool(settings, spool));

    /// <summary>Makes a directory that only this user can enter. Answers why it cannot be had here, as a sentence with the way out; null: it is there.</summary>
    public static string? FindFault(string path)
    {
        try
        {
            PrivateFiles.CreateDirectory(path);
            return NetworkFileSystems.Find(path) is { } kind ? $"{path} is on a network file system ({kind}), whose locks cannot be trusted; name a local directory with --data"
                : Libc.FindFacts(path) is { } facts && !Libc.IsOwn(facts) ? $"{path} belongs to another account, which could read what is kept there; remove it, or name another directory with --data"
                : PrivateFiles.IsOpenToOthers(path) ? $"{path} must be a directory that only this user can enter (chmod 700)"
                : null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return $"{path} cannot be made: {ex.Message.TrimEnd('.')}; remove what is in the way, or name another directory with --data";
        }
    }
}
