using System.Runtime.InteropServices;
using OzFunctions.Direct.Accounts;
using OzFunctions.Direct.Posix;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Workspaces;

/// <summary>The directory in which setup and agent of one attempt run: <c>&lt;workspace_root&gt;/&lt;run_id&gt;-&lt;attempt&gt;</c>, or the shared target directory.</summary>
internal sealed class Workspace
{
    private Workspace(string path, bool shared) => (Path, IsShared) = (path, shared);

    public string Path { get; }

    /// <summary>In <c>target_dir</c> mode nothing is made or removed.</summary>
    public bool IsShared { get; }

    /// <summary>The workspace that an earlier host of the same attempt used.</summary>
    public static Workspace Known(string path, bool shared) => new(path, shared);

    public static Workspace Of(DirectOptions options, RunId runId, int attempt) => options.TargetDir is { } target
        ? new Workspace(Libc.FindRealPath(target) ?? System.IO.Path.GetFullPath(target), shared: true)
        : new Workspace(System.IO.Path.Combine(FindRoot(options), $"{runId}-{attempt}"), shared: false);

    /// <summary>The root without links, so that every path below it can be compared as text.</summary>
    public static string FindRoot(DirectOptions options)
    {
        var root = System.IO.Path.GetFullPath(options.WorkspaceRoot);
        return Libc.FindRealPath(root) ?? root;
    }

    /// <summary>Says why the directory cannot be made here, before anything is written about it; null when its place is free.</summary>
    public string? FindObstacle()
    {
        if (IsShared)
        {
            return Directory.Exists(Path) ? null : $"The target directory {Path} does not exist or is not a directory; create it or change backend.direct.target_dir.";
        }

        return Libc.FindFacts(Path) is { } facts
            ? $"{Path} exists already ({facts.Kind}); a workspace is always made new. Remove it if it is of no use."
            : null;
    }

    /// <summary>
    /// Makes the directory, 0700 and exclusively. <paramref name="announced"/>: an earlier host of this attempt said that it would make it;
    /// an empty directory of ours is then taken as made. <paramref name="owner"/>: the account that commands run as.
    /// </summary>
    public void Make(bool announced, Account? owner)
    {
        if (IsShared)
        {
            return;
        }

        // The umask may take bits away; 0700 has none that a sane umask takes, and a mad one shows at once.
        if (Libc.MakeDirectory(Path, 0x1C0) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Libc.Eexist || !announced || !IsEmptyDirectory())
            {
                throw new WorkspaceException(error == Libc.Eexist ? FindObstacle() ?? Refused(error) : Refused(error));
            }
        }

        if (owner is not null && Libc.ChangeOwner(Path, owner.Uid, owner.Gid) != 0)
        {
            throw new WorkspaceException($"The workspace {Path} could not be given to {owner.Name}: {Libc.DescribeLast()}.");
        }

        // A link that was slipped in above the root would show here.
        if (Libc.FindRealPath(Path) is var real && real != Path)
        {
            throw new WorkspaceException($"The workspace {Path} lies at {real ?? "no place"} in truth, outside of the workspace root.");
        }
    }

    private bool IsEmptyDirectory() =>
        Libc.FindFacts(Path) is { IsDirectory: true, IsMountRoot: false } && !Directory.EnumerateFileSystemEntries(Path).Any();

    private string Refused(int error) => $"The workspace {Path} could not be made: {Libc.Describe(error)}. Check backend.direct.workspace_root.";
}
