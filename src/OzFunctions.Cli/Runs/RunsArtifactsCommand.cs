using System.CommandLine;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs artifacts</c>: what was kept of a run, listed or fetched.</summary>
internal static class RunsArtifactsCommand
{
    /// <summary>What an identity signs holds for a week at most, of which the clocks' difference takes its part.</summary>
    private static readonly TimeSpan LongestLink = TimeSpan.FromDays(6);

    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run" };
        var download = new Option<string?>("--download") { HelpName = "DIR", Description = "Write the files below this directory" };
        var attempt = new Option<int?>("--attempt") { HelpName = "N", Description = "Of this attempt [default: the last]" };
        var link = new Option<string?>("--link") { HelpName = "DUR", Description = "Print an address for each file by which anybody can read it for so long, at most 6d (Azure Storage)" };
        return new Command("artifacts", "List or download what was kept of a run").With(id, download, attempt, link).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var run = await RunSearch.GetAsync(desk, context.Get(id)!, cancellationToken);
            var number = context.Get(attempt) ?? run.Attempt;
            if (number < 0 || number > run.Attempt)
            {
                throw CommandException.Usage($"--attempt: '{number}': run {run.RunId} has had {PlainText.Count(run.Attempt, "attempt")}.");
            }

            var manifest = await desk.ReadManifestAsync(run.RunId, number, cancellationToken);
            if (context.Get(download) is { } directory)
            {
                var target = Path.GetFullPath(Path.Combine(context.Surroundings.Directory, directory));
                await new ArtifactDownload(desk, run.RunId, number, target).RunAsync(manifest, cancellationToken);
            }

            if (context.Get(link) is { } lifetime)
            {
                await ShowLinksAsync(context, desk, run.RunId, number, manifest, LifetimeOf(lifetime), cancellationToken);
                return ExitCodes.Success;
            }

            Show(context, run, manifest);
            return ExitCodes.Success;
        });
    }

    private static TimeSpan LifetimeOf(string text) => DurationText.TryParse(text, out var lifetime) && lifetime > TimeSpan.Zero && lifetime <= LongestLink
        ? lifetime
        : throw CommandException.Usage($"--link: '{text}': {DurationText.Rule}, at most {DurationText.Format(LongestLink)}.");

    private static async Task ShowLinksAsync(
        CommandContext context, IRunDesk desk, RunId runId, int attempt, ArtifactManifest manifest, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        var links = new List<(string Path, Uri Link)>();
        foreach (var artifact in manifest.Artifacts.Where(artifact => artifact.LeftOut is null))
        {
            var link = await desk.FindArtifactLinkAsync(runId, attempt, artifact.Path, lifetime, cancellationToken) ?? throw CommandException.Usage(
                $"--link: {desk.Place} makes no such addresses: that takes a storage account, named by its key or reached with an identity. --download writes the files here.");
            links.Add((artifact.Path, link));
        }

        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("links");
                foreach (var (path, link) in links)
                {
                    json.WriteStartObject();
                    json.WriteString("path", path);
                    json.WriteString("url", link.AbsoluteUri);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        foreach (var (_, link) in links)
        {
            context.Screen.Line(link.AbsoluteUri);
        }
    }

    private static void Show(CommandContext context, RunRecord run, ArtifactManifest manifest)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json => JsonSerializer.Serialize(json, manifest, RunJson.Wire.ArtifactManifest));
            return;
        }

        if (manifest.Artifacts.Count == 0)
        {
            context.Screen.Note(run.State.IsTerminal() ? "No artifacts." : $"No artifacts yet: the run is {run.State.Text()}.");
            return;
        }

        Write(context.Screen, manifest);
    }

    public static void Write(Screen screen, ArtifactManifest manifest)
    {
        var table = new Table("SIZE", "SHA-256", "PATH");
        foreach (var artifact in manifest.Artifacts)
        {
            table.Add(
                PlainText.Bytes(artifact.Bytes),
                artifact.Sha256 is { } sha ? new Cell(sha[..12]) : new("left out", Style.Warning),
                PlainText.OneLine(artifact.Path + (artifact.LeftOut is { } why ? $" ({why})" : "")));
        }

        table.Write(screen);
    }
}
