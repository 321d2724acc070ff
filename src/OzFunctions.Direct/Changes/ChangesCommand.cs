using System.Globalization;
using System.Text;
using OzFunctions.Direct.Artifacts;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Changes;

/// <summary>
/// Records what the agent changed in each repository as a patch: committed, uncommitted and untracked. git runs under the shim like everything else of the
/// attempt, and with a repository of our own that has the agent's objects, index and work tree and nothing of its configuration: whatever program that names
/// (fsmonitor, hooks, filters, external diffs, ssh, …) git never hears of it, and nothing is written to where the agent worked.
/// </summary>
internal sealed class ChangesCommand(DirectOptions options, AttemptPlaces places, string workspace)
{
    // A patch has its name only once it is whole: git, and this with it, may be killed at any byte.
    // $1 directory for patches, $2 largest patch in blocks of 512 bytes; then for each repository: work tree, git directory, common directory, base
    // (empty: the empty tree), patch, how many files are too large, and those.
    private const string Script = """
        out=$1 most=$2
        shift 2
        own=$out/git
        export GIT_DIR="$own" GIT_INDEX_FILE="$own/index" GIT_OBJECT_DIRECTORY="$own/objects"
        g() { git -c core.excludesFile="$out/exclude" -c core.attributesFile=/dev/null -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }
        prepare() {
            rm -rf "$own" && mkdir -p "$own/objects/info" "$own/refs" "$own/info" || return 1
            printf 'ref: refs/heads/none\n' >"$own/HEAD"
            printf '[core]\nrepositoryformatversion = 0\nbare = false\n' >"$own/config"
            [ -d "$2/objects" ] || { echo "$2 is no repository" >&2; return 1; }
            ln -s "$2/objects" "$own/theirs" && printf '%s\n' "$own/theirs" >"$own/objects/info/alternates" || return 1
            if [ -f "$2/config" ]; then
                case $(g config --no-includes --file "$2/config" --get extensions.objectformat) in
                    sha256) printf '[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n' >>"$own/config" ;;
                esac
                case $(g config --no-includes --file "$2/config" --type=bool --get core.filemode) in
                    false) printf '[core]\nfilemode = false\n' >>"$own/config" ;;
                esac
            fi
            [ ! -f "$2/info/exclude" ] || cp "$2/info/exclude" "$own/info/exclude"
            [ ! -f "$1/index" ] || cp -p "$1/index" "$own/index" || return 1
            for shared in "$1"/sharedindex.*; do [ ! -f "$shared" ] || cp -p "$shared" "$own/" || return 1; done
        }
        record() (
            tree=$1 git=$2 common=$3 base=$4 patch=$5 large=$6
            shift 6
            left=$#
            while [ "$left" -gt 0 ]; do
                name=$1
                shift
                [ "$large" -le 0 ] || set -- "$@" ":(exclude,top,literal)$name"
                large=$((large - 1)) left=$((left - 1))
            done
            cd "$tree" && export GIT_WORK_TREE="$tree" || exit 1
            prepare "$git" "$common" || exit 1
            empty=$(g hash-object -t tree /dev/null) || exit 1
            [ -z "$base" ] || g cat-file -e "$base^{tree}" || { echo "$base, on which $tree stood, is gone: all files are shown as new" >&2; base=; }
            [ -n "$base" ] || base=$empty
            [ $# -eq 0 ] || { g ls-files -z -m -o --exclude-standard >"$own/changed" && mv "$own/changed" "$patch.changed"; } || exit 1
            g ls-files -z -o --exclude-standard -- . "$@" | grep -zv '/$' >"$own/new"
            [ ! -s "$own/new" ] || GIT_LITERAL_PATHSPECS=1 g add -N --ignore-errors --pathspec-from-file="$own/new" --pathspec-file-nul || echo "not every file of $tree could be read" >&2
            g diff --name-only --diff-filter=U -z --ignore-submodules=all >"$own/unmerged" || exit 1
            [ ! -s "$own/unmerged" ] || g update-index -z --add --remove --stdin <"$own/unmerged" || exit 1
            ulimit -f "$most"
            g diff --binary --full-index --ignore-submodules=dirty --no-ext-diff --no-textconv --no-color --src-prefix=a/ --dst-prefix=b/ "$base" -- . "$@" >"$own/patch"
            case $? in
                0) mv "$own/patch" "$patch" || exit 1 ;;
                153) : >"$patch.large"; exit 1 ;;
                *) exit 1 ;;
            esac
        )
        failed=0
        while [ $# -ge 6 ]; do
            record "$@" || { [ -f "$5.large" ] || { echo "the changes of $1 could not be recorded" >&2; failed=1; }; }
            shift $(($6 + 6))
        done
        rm -rf "$own"
        exit $failed
        """;

    private readonly Lazy<IReadOnlyList<Repository>> _repositories = new(() => [.. Repositories.Find(workspace).Select((path, number) => new Repository(
        path,
        Path.Combine(workspace, path).TrimEnd('/'),
        Path.Combine(places.Changes, string.Create(CultureInfo.InvariantCulture, $"{number}.patch"))))]);

    /// <summary>What to run; null when there is no repository.</summary>
    /// <param name="heads">HEAD of each repository after setup; one that is not in it appeared under the agent.</param>
    /// <param name="environment">The command's whole environment.</param>
    /// <param name="excluded">Directories of the workspace that hold an agent's own state, and perhaps its credentials: left out unless the repository tracks them.</param>
    public ShimCommand? Find(IReadOnlyDictionary<string, string> heads, IReadOnlyList<string> environment, IReadOnlyList<string> excluded)
    {
        if (_repositories.Value.Count == 0)
        {
            return null;
        }

        places.WriteForCommands(Path.Combine(places.Changes, "exclude"), Encoding.UTF8.GetBytes(string.Concat(excluded.Select(name => $"/{name}/\n"))));
        var blocks = Math.Max(1, options.Artifacts.FileBytes / 512);
        var arguments = new List<string> { "/bin/sh", "-c", Script, "changes", places.Changes, blocks.ToString(CultureInfo.InvariantCulture) };
        foreach (var repository in _repositories.Value)
        {
            var (git, common) = Repositories.FindDirectories(repository.Path) ?? (repository.Path + "/.git", repository.Path + "/.git");
            var large = LargeFiles.Find(repository.Path, options.ChangesFileBytes);
            arguments.AddRange([
                repository.Path,
                git,
                common,
                heads.GetValueOrDefault(repository.Name) ?? Repositories.FindBeginning(repository.Path),
                repository.Patch,
                large.Count.ToString(CultureInfo.InvariantCulture),
                .. large.Select(file => file.Name)]);
        }

        return new ShimCommand
        {
            Phase = ShimPhase.Changes,
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = workspace,
            Timeout = options.ChangesTimeout,
            StopGrace = TimeSpan.FromSeconds(1),
        };
    }

    /// <summary>The patches that are there and not empty, by the name under which they are kept.</summary>
    public IEnumerable<ArtifactSource> ReadPatches()
    {
        foreach (var repository in _repositories.Value)
        {
            if (new FileInfo(repository.Patch) is { Exists: true, Length: > 0 } patch)
            {
                yield return new ArtifactSource(NameOf(repository), patch.FullName, places.Changes) { IsText = true };
            }
            else if (File.Exists(repository.Patch + ".large"))
            {
                yield return new ArtifactSource(NameOf(repository), repository.Patch, places.Changes) { LeftOut = $"larger than {options.Artifacts.FileBytes} bytes, the limit for one artifact" };
            }
        }
    }

    /// <summary>Changed files that are too large for a patch, by their paths in the workspace.</summary>
    public IEnumerable<ArtifactSource> ReadLargeFiles()
    {
        foreach (var repository in _repositories.Value)
        {
            using var file = RegularFile.TryOpen(repository.Patch + ".changed", places.Changes, out _, out _);
            if (file is null)
            {
                continue;
            }

            using var reader = new StreamReader(file, Encoding.UTF8);
            var changed = reader.ReadToEnd().Split('\0').ToHashSet(StringComparer.Ordinal);
            foreach (var large in LargeFiles.Find(repository.Path, options.ChangesFileBytes).Where(large => changed.Contains(large.Name)))
            {
                yield return new ArtifactSource(Path.Combine(repository.Name, large.Name), Path.Combine(repository.Path, large.Name), repository.Path)
                {
                    LeftOut = $"larger than {options.ChangesFileBytes} bytes, the limit for one file in {NameOf(repository)}",
                    Bytes = large.Bytes,
                };
            }
        }
    }

    private string NameOf(Repository repository) =>
        _repositories.Value.Count == 1 ? "changes.patch" : $"changes/{(repository.Name.Length == 0 ? "_workspace" : repository.Name)}.patch";

    private sealed record Repository(string Name, string Path, string Patch);
}
