using System.Globalization;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Files;
using OzFunctions.Local;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>Where an <c>ozf exec</c> keeps what is its own on this machine, and where it keeps a run whose store is away.</summary>
internal static class ExecPlaces
{
    /// <summary>Where private directories of attempts may be, the preferred place first: below the data, else where a spool would be.</summary>
    public static IReadOnlyList<ExecRoot> Roots(Settings settings, Surroundings surroundings) =>
        [RootOf(settings), .. Spools(settings, surroundings).Select(RootOfSpool)];

    /// <summary>Those of them in which an attempt of this account is, perhaps one that goes on. What another account put there is passed over.</summary>
    public static IEnumerable<ExecRoot> RootsWithAttempts(Settings settings, Surroundings surroundings) =>
        Roots(settings, surroundings).Where(root => root.IsOwn && HasAttempts(root.Path));

    /// <summary>The one below the data.</summary>
    public static ExecRoot RootOf(Settings settings) => new(Path.Combine(settings.DataDirectory, "exec"), null);

    /// <summary>The one that belongs to a spool.</summary>
    public static ExecRoot RootOfSpool(string spool) => new(Path.Combine(spool, "exec"), spool);

    /// <summary>Spools, the preferred one first: small stores of plain files that <c>ozf sync</c> empties.</summary>
    public static IEnumerable<string> Spools(Settings settings, Surroundings surroundings)
    {
        yield return Path.Combine(settings.DataDirectory, "exec-spool");
        yield return Path.Combine(
            surroundings.Variable("TMPDIR") ?? Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"ozf-spool-{Environment.UserName}"));
    }

    /// <summary>The same settings without what belongs to a worker's runs only: its account, its limits and its variables, whose secrets the caller may be unable to read.</summary>
    public static Settings OfCaller(Settings settings) => settings with
    {
        Configuration = settings.Configuration with { Direct = settings.Configuration.Direct with { User = null, Limits = new(), Environment = [], AgentEnvironment = [] } },
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

    /// <summary>True: this account's, as far as this system can tell.</summary>
    public static bool IsOwn(string path) => Directory.Exists(path) && (Libc.FindFacts(path) is not { } facts || Libc.IsOwn(facts));

    private static bool HasAttempts(string root)
    {
        try
        {
            return AttemptDirectories.Find(Path.Combine(root, ".ozf")).Any();
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Not a place that a call could have used.
            return false;
        }
    }
}

/// <summary>A place for private directories of attempts.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Spool">The spool it lies in; null: the data. Spools may lie where every account may make directories.</param>
internal sealed record ExecRoot(string Path, string? Spool)
{
    /// <summary>True: it is there, this account's, and nobody else can put another directory in its place.</summary>
    public bool IsOwn => (Spool is null || ExecPlaces.IsOwn(Spool)) && ExecPlaces.IsOwn(Path);

    /// <summary>As <see cref="ExecPlaces.FindFault"/>, the spool first: who owns that could put another directory in the place of one below it.</summary>
    public string? FindFault() => (Spool is null ? null : ExecPlaces.FindFault(Spool)) ?? ExecPlaces.FindFault(Path) ?? (Spool is null ? FindDataFault() : null);

    private string? FindDataFault()
    {
        try
        {
            FilesStore.MakeDirectory(System.IO.Path.GetDirectoryName(Path)!);
            return null;
        }
        catch (BlobStoreException ex)
        {
            return ex.Message.TrimEnd('.');
        }
    }
}
