using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Backends;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>Makes attempt directories (C4) and takes over those whose host is dead (A1): <c>&lt;workspace_root&gt;/.ozf/&lt;16 hex&gt;</c>.</summary>
/// <param name="unreadable">Told once of each directory that cannot be understood and is therefore left alone.</param>
/// <param name="leftBehind">Told of each that could not be removed whole, and why.</param>
internal sealed class AttemptDirectories(DirectOptions options, IShims shims, TimeProvider time, Action<string, Exception> unreadable, Action<string, string> leftBehind)
{
    private const int Tries = 10;

    // Longer than any lease, and than a machine that is only switched off for a while.
    private static readonly TimeSpan Forgotten = TimeSpan.FromDays(30);
    private readonly ConcurrentDictionary<string, bool> _named = new(StringComparer.Ordinal);

    public AttemptDirectory Create(AttemptIntent intent)
    {
        var home = MakeHome();
        for (var round = 1; round <= Tries; round++)
        {
            var path = Path.Combine(home, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
            if (!DurableFiles.CreateDirectory(path))
            {
                continue;
            }

            // A scanning host may have been quicker; it deletes what has no intent.
            var places = PlacesOf(path);
            if (TryLock(places) is { } held)
            {
                try
                {
                    LetCommandsThrough(path);
                    DurableFiles.Replace(places.Intent, JsonSerializer.SerializeToUtf8Bytes(intent, RunJson.Wire.AttemptIntent));
                    DurableFiles.FsyncDirectory(home);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
                {
                    // Held by a process that lives, nobody else would ever remove it.
                    TreeRemover.RemoveOnce(path);
                    held.Dispose();
                    throw new IOException($"No attempt can be prepared in {home}: {exception.Message}. Make room there, or name another place (backend.direct.workspace_root; --data for 'ozf exec').", exception);
                }

                return new AttemptDirectory(places, held, intent, options, shims, leftBehind, time);
            }
        }

        throw new IOException($"No attempt directory could be made and locked in {home}.");
    }

    /// <summary>Locks every directory of this store whose holder is dead, and of other stores what nobody has touched for 30 days. One without an intent is nobody's and is removed.</summary>
    /// <param name="store">Identity of this store.</param>
    /// <param name="isWanted">Asked of each by its name and intent; null: all are.</param>
    public IReadOnlyList<IAttemptDirectory> TakeAbandoned(string store, Func<string, AttemptIntent, bool>? isWanted = null)
    {
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        Posix.TakenRights.GiveBack(home);
        var taken = new List<IAttemptDirectory>();
        foreach (var path in Find(home).ToList())
        {
            try
            {
                if (TryTakeAbandoned(PlacesOf(path), store, isWanted) is { } directory)
                {
                    taken.Add(directory);
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
            {
                // Whose it is cannot be told now. It may be an attempt whose agent works: nothing of it is touched.
                if (_named.TryAdd(path, true))
                {
                    unreadable(path, exception);
                }
            }
        }

        return taken;
    }

    /// <summary>Bytes of output in all private directories here, also of other stores.</summary>
    public long MeasureSpools()
    {
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        var bytes = 0L;
        try
        {
            foreach (var spool in Find(home).Select(path => Path.Combine(path, ShimProtocol.SpoolDirectory)))
            {
                bytes += Directory.Exists(spool) ? new DirectoryInfo(spool).EnumerateFiles().Sum(file => file.Length) : 0;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Removed while it was looked at: the next measure is a moment away.
        }

        return bytes;
    }

    /// <summary>Attempt directories, of whatever store.</summary>
    /// <param name="home"><c>&lt;workspace_root&gt;/.ozf</c>, which need not be there.</param>
    public static IEnumerable<string> Find(string home) =>
        Directory.Exists(home) ? Directory.EnumerateDirectories(home).Where(path => IsName(Path.GetFileName(path))) : [];

    /// <summary>Null: not abandoned, not of this store, not wanted, or of nobody and removed.</summary>
    private AttemptDirectory? TryTakeAbandoned(AttemptPlaces places, string store, Func<string, AttemptIntent, bool>? isWanted)
    {
        // A link, or somebody else's: never entered.
        if (Posix.Libc.FindFacts(places.Directory) is not { IsDirectory: true } facts || !Posix.Libc.IsOwn(facts))
        {
            return null;
        }

        places.OpenUp();

        // Looked at before it is locked, so that hosts of other stores and workers are not kept from theirs. And taking the lock makes the file: not in what is none of ours.
        var seen = FindIntent(places);
        if (seen is null ? !MayBeUnfinished(places) : seen.Store != store && !IsForgotten(places))
        {
            return null;
        }

        if (seen is not null && isWanted?.Invoke(Path.GetFileName(places.Directory), seen) == false)
        {
            return null;
        }

        if (TryLock(places) is not { } held)
        {
            return null;
        }

        var kept = false;
        try
        {
            var intent = FindIntent(places);
            var directory = new AttemptDirectory(places, held, intent, options, shims, leftBehind, time);
            if (intent is null)
            {
                directory.Delete();
                return null;
            }

            // A host of this store finds no such run, so it clears it away.
            kept = intent.Store == store || IsForgotten(places);
            return kept ? directory : null;
        }
        finally
        {
            if (!kept)
            {
                held.Dispose();
            }
        }
    }

    private string MakeHome()
    {
        PrivateFiles.CreateDirectory(options.WorkspaceRoot);
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        DurableFiles.CreateDirectory(home);

        // Secrets will lie in it: a link or somebody else's directory is not taken.
        if (Posix.Libc.FindFacts(home) is not { IsDirectory: true } facts || (facts.Mode & 0x36) != 0 || !Posix.Libc.IsOwn(facts))
        {
            throw new IOException($"{home} must be a directory of this user that nobody else can read (mode 0700, or 0711 with backend.direct.user). Remove it, or name another place (backend.direct.workspace_root; --data for 'ozf exec').");
        }

        LetCommandsThrough(home);
        return home;
    }

    private AttemptPlaces PlacesOf(string path) => new(path) { Owner = options.User };

    /// <summary>Commands of another account reach what is theirs below, and cannot list what else there is.</summary>
    private void LetCommandsThrough(string directory)
    {
        if (options.User is not null)
        {
            File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
    }

    /// <summary>Null when it is held, or was removed while we looked at it.</summary>
    private static FileLock? TryLock(AttemptPlaces places)
    {
        try
        {
            return FileLock.TryTake(places.Lock);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Null only where there is none; one that stands there and cannot be read or understood throws.</summary>
    private static AttemptIntent? FindIntent(AttemptPlaces places)
    {
        try
        {
            return JsonSerializer.Deserialize(Posix.RegularFile.ReadAll(places.Intent), RunJson.Wire.AttemptIntent) ?? throw new JsonException($"{places.Intent} holds nothing.");
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Killed while it was made, a directory without an intent is empty or has its lock; while it was removed, it has its lock still.</summary>
    private static bool MayBeUnfinished(AttemptPlaces places) =>
        File.Exists(places.Lock) || (Directory.Exists(places.Directory) && !Directory.EnumerateFileSystemEntries(places.Directory).Any());

    /// <summary>Without an outcome that is owed, and of a store that no host here has worked for since: secrets and workspace of its attempt would stay for ever.</summary>
    private bool IsForgotten(AttemptPlaces places) =>
        !File.Exists(places.Outcome) && time.GetUtcNow() - new[] { places.Intent, places.Journal, places.Directory }.Max(path => new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero)) > Forgotten;

    public static bool IsName(string name) => name.Length == 16 && name.All(char.IsAsciiHexDigitLower);
}
