using System.CommandLine;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs artifacts</c>: what was kept of a run, listed or fetched.</summary>
internal static class RunsArtifactsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run" };
        var download = new Option<string?>("--download") { HelpName = "DIR", Description = "Write the files below this directory" };
        var attempt = new Option<int?>("--attempt") { HelpName = "N", Description = "Of this attempt [default: the last]" };
        return new Command("artifacts", "List or download what was kept of a run").With(id, download, attempt).Does(surroundings, async (context, cancellationToken) =>
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

            Show(context, run, manifest);
            return ExitCodes.Success;
        });
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
