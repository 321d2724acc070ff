using Microsoft.Extensions.FileSystemGlobbing;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Changes;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Artifacts;

/// <summary>Finds what a run leaves to be kept: the patches of its changes, all of <c>$OZ_ARTIFACTS_DIR</c>, and what its globs match in the workspace.</summary>
internal sealed class ArtifactFinder(AttemptPlaces places, string workspace)
{
    /// <summary>In the order in which limits are filled. A name may come more than once; the first is kept.</summary>
    /// <param name="record">Of the run.</param>
    /// <param name="changes">Null when none were recorded: then nothing is taken for a patch.</param>
    public IEnumerable<ArtifactSource> Find(RunRecord record, ChangesCommand? changes)
    {
        foreach (var patch in changes?.ReadPatches() ?? [])
        {
            yield return patch;
        }

        foreach (var name in FileTree.List(places.Artifacts, _ => true))
        {
            yield return new ArtifactSource(name, Path.Combine(places.Artifacts, name), places.Artifacts);
        }

        foreach (var name in record.Request.Artifacts is { Count: > 0 } globs ? Match(globs) : [])
        {
            yield return new ArtifactSource(name, Path.Combine(workspace, name), workspace);
        }

        // Last: a glob may have kept one of them whole.
        foreach (var large in changes?.ReadLargeFiles() ?? [])
        {
            yield return large;
        }
    }

    private IEnumerable<string> Match(IReadOnlyList<string> globs)
    {
        var matcher = new Matcher(StringComparison.Ordinal);
        foreach (var glob in globs)
        {
            var pattern = glob.StartsWith("./", StringComparison.Ordinal) ? glob[2..] : glob;
            pattern = pattern.TrimEnd('/');
            matcher.AddInclude(pattern);

            // A glob that names a directory means all that is in it.
            matcher.AddInclude(pattern + "/**/*");
        }

        // Matching names instead of the file system: the matcher itself would follow links.
        var all = FileTree.List(workspace, name => !name.EndsWith("/.git", StringComparison.Ordinal) && name != ".git");
        return matcher.Match(all).Files.Select(file => file.Path).Order(StringComparer.Ordinal);
    }
}
