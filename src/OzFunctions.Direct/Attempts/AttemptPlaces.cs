using OzFunctions.Direct.Accounts;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>Where everything of ours lies in the private directory of one attempt.</summary>
internal sealed record AttemptPlaces(string Directory)
{
    // Status, journals, outcome and the last lines of the log; the first host line alone takes a few blocks.
    private const long ReserveBytes = 256 << 10;

    /// <summary>The account that commands run as; null: this process'. What is theirs belongs to it, the directory itself and all that is ours stays ours.</summary>
    public Account? Owner { get; init; }

    public string Lock => Path.Combine(Directory, "lock");

    public string Intent => Path.Combine(Directory, "intent.json");

    public string Journal => Path.Combine(Directory, "journal.ndjson");

    public string Outcome => Path.Combine(Directory, "outcome.json");

    /// <summary>What is masked (0600).</summary>
    public string Secrets => Path.Combine(Directory, "secrets.json");

    public string RequestFile => Path.Combine(Directory, "request.json");

    public string EnvironmentFile => Path.Combine(Directory, "environment");

    /// <summary>In a directory of its own: git writes a new file beside it.</summary>
    public string GitConfig => Path.Combine(Directory, "git", "config");

    public string Artifacts => Path.Combine(Directory, "artifacts");

    public string Temp => Path.Combine(Directory, "tmp");

    public string Home => Path.Combine(Directory, "home");

    public string Changes => Path.Combine(Directory, "changes");

    /// <summary>Of the command that may refuse the run; gone when it has answered.</summary>
    public string Veto => Path.Combine(Directory, "veto");

    /// <summary>Of the agent that is asked for its version; gone when it has answered.</summary>
    public string Version => Path.Combine(Directory, "version");

    /// <summary>Where something is asked beside the attempt's own commands.</summary>
    public IReadOnlyList<string> Inquiries => [Veto, Version];

    public string Reserve => Path.Combine(Directory, ShimProtocol.ReserveFile);

    public string McpFile(int number) => Path.Combine(Directory, $"mcp-{number}.json");

    public string AgentFile => Path.Combine(Directory, "agent.json");

    /// <summary>Gives back what a run of this account took from itself and from its host: the rights to the directory, its lock, the way to its supervisor, and the output that lies in it.</summary>
    public void OpenUp()
    {
        foreach (var place in (string[])[Lock, Path.Combine(Directory, ShimProtocol.SocketFile), Path.Combine(Directory, ShimProtocol.SpoolDirectory), Logs.HostLines.DirectoryOf(Directory)])
        {
            TakenRights.GiveBack(place);
        }
    }

    /// <summary>Makes the directories and files that commands find; what is there already stays.</summary>
    public void Make(bool privateHome)
    {
        foreach (var directory in (string[])[Artifacts, Temp, Changes, Path.GetDirectoryName(GitConfig)!, .. privateHome ? [Home] : Array.Empty<string>()])
        {
            PrivateFiles.CreateDirectory(directory);
            HandOver(directory);
        }

        WritePrivate(EnvironmentFile, [], FileMode.OpenOrCreate);
        HandOver(EnvironmentFile);
        if (!File.Exists(Reserve))
        {
            using var reserve = new FileStream(Reserve, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, PreallocationSize = ReserveBytes });
        }
    }

    /// <summary>Empties the place of the patches, in which commands may have left anything. Throws <see cref="IOException"/> where that cannot be done.</summary>
    public void RemakeChanges()
    {
        if (TreeRemover.RemoveOnce(Changes) is { } left)
        {
            throw new IOException($"{Changes} could not be emptied: {left}");
        }

        PrivateFiles.CreateDirectory(Changes);
        HandOver(Changes);
    }

    /// <summary>Gives back room on the disk, so that an agent that filled it does not keep its own end from being worked out.</summary>
    public void GiveUpReserve()
    {
        try
        {
            File.Delete(Reserve);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Then it must go without.
        }
    }

    /// <summary>Writes a file that only commands, and this user, can read.</summary>
    public void WriteForCommands(string path, ReadOnlySpan<byte> content)
    {
        WritePrivate(path, content);
        HandOver(path);
    }

    /// <summary>Writes a file that only this user can read.</summary>
    public static void WritePrivate(string path, ReadOnlySpan<byte> content, FileMode mode = FileMode.Create)
    {
        if (mode == FileMode.Create)
        {
            // Never through a link that a command may have left there.
            File.Delete(path);
            mode = FileMode.CreateNew;
        }

        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = mode,
            Access = FileAccess.Write,
        }.Private());
        stream.Write(content);
    }

    private void HandOver(string path)
    {
        if (Owner is { } owner && Libc.ChangeOwner(path, owner.Uid, owner.Gid) != 0)
        {
            throw new IOException($"{path} could not be given to {owner.Name}: {Libc.DescribeLast()}");
        }
    }
}
