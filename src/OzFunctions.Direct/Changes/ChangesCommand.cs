using System.Globalization;
using System.Text;
using OzFunctions.Direct.Attempts;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Changes;

/// <summary>
/// Records what the agent changed in each repository as a patch: committed, uncommitted and untracked. git runs under the shim like everything else of the
/// attempt, on an index and object directory of its own, so that the repository stays as the agent left it.
/// </summary>
internal sealed class ChangesCommand(DirectOptions options, AttemptPlaces places, string workspace)
{
    // $1 directory for patches, $2 largest patch in blocks of 512 bytes; then three for each repository: path, base (empty: the empty tree), patch.
    private const string Script = """
        out=$1 most=$2
        shift 2
        g() { git -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.untrackedCache=false -c core.autocrlf=false -c core.excludesFile="$out/exclude" -c advice.addEmbeddedRepo=false "$@"; }
        record() (
            cd "$1" || exit 1
            tmp=$out/tmp
            rm -rf "$tmp" && mkdir -p "$tmp/objects" || exit 1
            objects=$(cd "$(g rev-parse --git-path objects)" && pwd -P) || exit 1
            index=$(g rev-parse --git-path index) || exit 1
            base=$2
            [ -n "$base" ] || base=$(g hash-object -t tree /dev/null) || exit 1
            export GIT_INDEX_FILE="$tmp/index" GIT_OBJECT_DIRECTORY="$tmp/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
            [ -n "$2" ] || g hash-object -w -t tree /dev/null >/dev/null || exit 1
            [ ! -f "$index" ] || cp "$index" "$tmp/index" || exit 1
            g add -A --ignore-errors . || echo "not every file of $1 could be read" >&2
            ulimit -f "$most"
            g -c diff.noprefix=false -c diff.mnemonicPrefix=false -c color.ui=false diff --cached --binary --full-index --no-ext-diff --no-textconv --no-color "$base" -- >"$3"
        )
        failed=0
        while [ $# -ge 3 ]; do
            record "$1" "$2" "$3" || { echo "the changes of $1 could not be recorded" >&2; rm -f "$3"; failed=1; }
            shift 3
        done
        rm -rf "$out/tmp"
        exit $failed
        """;

    /// <summary>What to run; null when there is no repository.</summary>
    /// <param name="heads">HEAD of each repository after setup; one that is not in it appeared under the agent.</param>
    /// <param name="environment">The command's whole environment.</param>
    /// <param name="excluded">Directories of the workspace that hold an agent's own state, and perhaps its credentials: left out unless the repository tracks them.</param>
    public ShimCommand? Find(IReadOnlyDictionary<string, string> heads, IReadOnlyList<string> environment, IReadOnlyList<string> excluded)
    {
        var repositories = Repositories.Find(workspace);
        if (repositories.Count == 0)
        {
            return null;
        }

        AttemptPlaces.WritePrivate(Path.Combine(places.Changes, "exclude"), Encoding.UTF8.GetBytes(string.Concat(excluded.Select(name => $"/{name}/\n"))));
        var blocks = Math.Max(1, options.Artifacts.FileBytes / 512);
        var arguments = new List<string> { "/bin/sh", "-c", Script, "changes", places.Changes, blocks.ToString(CultureInfo.InvariantCulture) };
        for (var number = 0; number < repositories.Count; number++)
        {
            var path = Path.Combine(workspace, repositories[number]).TrimEnd('/');
            arguments.AddRange([path, heads.GetValueOrDefault(repositories[number]) ?? Repositories.FindBeginning(path), PatchFile(number)]);
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
    public IReadOnlyDictionary<string, string> ReadPatches()
    {
        var repositories = Repositories.Find(workspace);
        var patches = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var number = 0; number < repositories.Count; number++)
        {
            if (new FileInfo(PatchFile(number)) is { Exists: true, Length: > 0 } patch)
            {
                var name = repositories[number].Length == 0 ? "_workspace" : repositories[number];
                patches[repositories.Count == 1 ? "changes.patch" : $"changes/{name}.patch"] = patch.FullName;
            }
        }

        return patches;
    }

    private string PatchFile(int number) => Path.Combine(places.Changes, string.Create(CultureInfo.InvariantCulture, $"{number}.patch"));
}
