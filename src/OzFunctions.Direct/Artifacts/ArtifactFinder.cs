using Microsoft.Extensions.FileSystemGlobbing;
using OzFunctions.Direct.Attempts;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Artifacts;

/// <summary>Finds what a run leaves to be kept: the patches of its changes, all of <c>$OZ_ARTIFACTS_DIR</c>, and what its globs match in the workspace.</summary>
internal sealed class ArtifactFinder(AttemptPlaces places, string workspace)
{
    /// <summary>In the order in which limits are filled. A name may come more than once; the first is kept.</summary>
    public IEnumerable<ArtifactSource> Find(RunRecord record, IReadOnlyDictionary<string, string> patches)
    {
        foreach (var (name, path) in patches)
        {
            yield return new ArtifactSource(name, path, places.Changes) { IsText = true };
        }

        foreach (var name in FileTree.List(places.Artifacts, _ => true))
        {
            yield return new ArtifactSource(name, Path.Combine(places.Artifacts, name), places.Artifacts);
        }

        if (record.Request.Artifacts is not { Count: > 0 } globs)
        {
            yield break;
        }

        foreach (var name in Match(globs))
        {
            yield return new ArtifactSource(name, Path.Combine(workspace, name), workspace);
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
