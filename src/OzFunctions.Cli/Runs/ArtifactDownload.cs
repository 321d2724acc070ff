using System.Security.Cryptography;
using OzFunctions.Artifacts;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary>Writes artifacts below one directory and nowhere else: an agent chose their names.</summary>
internal sealed class ArtifactDownload(IRunDesk desk, RunId runId, int attempt, string directory)
{
    public async Task RunAsync(ArtifactManifest manifest, CancellationToken cancellationToken)
    {
        try
        {
            Directory.CreateDirectory(directory);
            foreach (var artifact in manifest.Artifacts.Where(artifact => artifact.LeftOut is null))
            {
                await DownloadAsync(artifact, cancellationToken);
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Unavailable($"{directory} cannot be written: {ex.Message}");
        }
    }

    private async Task DownloadAsync(ArtifactEntry artifact, CancellationToken cancellationToken)
    {
        var target = MakePlace(artifact.Path);
        var temporary = $"{target}.{Guid.NewGuid():N}";
        try
        {
            await using (var content = await desk.OpenArtifactAsync(runId, attempt, artifact.Path, cancellationToken)
                ?? throw CommandException.Unavailable($"the artifact '{artifact.Path}' is no longer in the store."))
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                var buffer = new byte[128 * 1024];
                var came = 0L;
                int read;
                while ((read = await content.ReadAsync(buffer, cancellationToken)) > 0)
                {
                    came += read;
                    hash.AppendData(buffer, 0, read);
                    await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                }

                if (came < artifact.Bytes)
                {
                    throw CommandException.Unavailable($"only {came} of the {artifact.Bytes} bytes of the artifact '{artifact.Path}' came; nothing was written of it. Try again.");
                }

                if (artifact.Sha256 is { } sha && sha != Convert.ToHexStringLower(hash.GetHashAndReset()))
                {
                    throw CommandException.Unavailable($"the artifact '{artifact.Path}' is damaged in the store: its SHA-256 is not the manifest's.");
                }
            }

            // Replaces a link that stands there; never writes through it.
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private string MakePlace(string path)
    {
        var segments = path.Split('/');
        if (segments.Any(segment => segment is "" or "." or ".." || segment.Contains('\0', StringComparison.Ordinal)))
        {
            throw CommandException.Unavailable($"the manifest names '{path}', which is no path inside a directory; nothing was written there.");
        }

        var place = directory;
        foreach (var segment in segments[..^1])
        {
            place = Path.Combine(place, segment);
            if (new FileInfo(place).LinkTarget is not null)
            {
                throw CommandException.Unavailable($"{place} is a link; nothing is written through it. Choose an empty directory.");
            }

            Directory.CreateDirectory(place);
        }

        return Path.Combine(place, segments[^1]);
    }
}
