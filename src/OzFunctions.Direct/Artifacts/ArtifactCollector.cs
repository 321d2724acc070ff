using System.Text;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Direct.Masking;
using OzFunctions.Direct.Posix;
using OzFunctions.Masking;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Artifacts;

/// <summary>Uploads artifacts within their limits and writes the manifest, in which also stands what was left out and why.</summary>
/// <param name="withheld">Why no text is kept; null: it is.</param>
internal sealed class ArtifactCollector(IBlobStore blobs, ArtifactLimits limits, Masker masker, TimeProvider time, string? withheld = null)
{
    /// <summary>
    /// An artifact that is refused as if everything were, while the store takes the manifest, is waited for this long: a role that was just given is not known
    /// everywhere at once (Azure RBAC: up to 10 minutes). Then it is this file that somebody in between does not let through, such as a proxy that looks into what is sent.
    /// </summary>
    private static readonly TimeSpan RefusedAloneFor = TimeSpan.FromMinutes(10);

    private const int MostLeftOut = 1_000;
    private const int LongestName = 600;
    private const int MostShown = 50;

    private readonly Dictionary<string, ArtifactEntry> _kept = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _refusedAlone = new(StringComparer.Ordinal);
    private BlobStoreException? _refusal;
    private bool _othersAreTaken;

    /// <summary>A repeat uploads what the store has not taken yet. Faults of a store that is away, or that refuses everybody, are thrown as they are.</summary>
    public async Task<CollectedArtifacts> CollectAsync(RunId runId, int attempt, IEnumerable<ArtifactSource> sources, CancellationToken cancellationToken)
    {
        var prefix = RunBlobs.Data(runId, attempt);
        var entries = new List<ArtifactEntry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var (count, bytes, leftOut) = (0, 0L, 0);
        (_refusal, _othersAreTaken) = (null, false);
        foreach (var found in sources)
        {
            // A name is seen by more people than a file.
            var source = found with { Name = masker.MaskText(found.Name) };
            if (source.LeftOut is not null && names.Contains(source.Name))
            {
                // Kept after all, under another heading.
                continue;
            }

            var entry = await CollectOneAsync(prefix, source, names.Add(source.Name), entries, count, bytes, cancellationToken);
            if (entry.LeftOut is null)
            {
                count++;
                bytes += entry.Bytes;
            }
            else if (++leftOut > MostLeftOut)
            {
                continue;
            }

            entries.Add(entry);
        }

        if (leftOut > MostLeftOut)
        {
            entries.Add(LeaveOut("…", 0, $"{leftOut - MostLeftOut} more files were left out"));
        }

        if (_refusal is not null)
        {
            throw _refusal;
        }

        if (entries.Count > 0)
        {
            await WriteManifestAsync(prefix, entries, cancellationToken);
        }

        return new CollectedArtifacts(new ArtifactSummary(count, bytes, leftOut), [.. entries.Where(entry => entry.LeftOut is null).Take(MostShown)]);
    }

    private async Task WriteManifestAsync(string prefix, IReadOnlyList<ArtifactEntry> entries, CancellationToken cancellationToken)
    {
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new ArtifactManifest { Artifacts = entries }, RunJson.Wire.ArtifactManifest);
        using var content = new MemoryStream(manifest, writable: false);
        await blobs.UploadAsync(prefix + "artifacts.json", content, "application/json", null, cancellationToken);
    }

    /// <summary>Of one that was refused. Where it is everything that is refused, the manifest is too, and that is thrown.</summary>
    private async Task<bool> IsWaitedForAsync(string prefix, string name, IReadOnlyList<ArtifactEntry> entries, CancellationToken cancellationToken)
    {
        try
        {
            if (!_othersAreTaken)
            {
                await WriteManifestAsync(prefix, entries, cancellationToken);
                _othersAreTaken = true;
            }
        }
        catch (BlobStoreException exception) when (exception.RefusesAll)
        {
            _refusedAlone.Clear();
            throw;
        }

        _refusedAlone.TryAdd(name, time.GetTimestamp());
        return time.GetElapsedTime(_refusedAlone[name]) < RefusedAloneFor;
    }

    /// <summary>One that is refused and waited for is answered as if it were kept: it has its place in the limits, and none of this round is written.</summary>
    /// <param name="entries">Before it: what is written to see whether everything is refused.</param>
    private async Task<ArtifactEntry> CollectOneAsync(string prefix, ArtifactSource source, bool isNew, IReadOnlyList<ArtifactEntry> entries, int count, long bytes, CancellationToken cancellationToken)
    {
        var name = Shown(source.Name);
        if (!isNew)
        {
            return LeaveOut(name, 0, "another artifact has this name");
        }

        if (FindFault(source.Name) is { } fault)
        {
            return LeaveOut(name, 0, fault);
        }

        if (source.LeftOut is { } known)
        {
            return LeaveOut(name, source.Bytes, known);
        }

        if (_kept.TryGetValue(name, out var kept))
        {
            return kept;
        }

        using var file = RegularFile.TryOpen(source.Path, source.Root, out var reason, out var length);
        if (file is null)
        {
            return LeaveOut(name, 0, reason!);
        }

        var limit = length > limits.FileBytes ? $"larger than {limits.FileBytes} bytes, the limit for one artifact"
            : count >= limits.Count ? $"the limit of {limits.Count} artifacts is reached"
            : length > limits.TotalBytes - bytes ? $"the limit of {limits.TotalBytes} bytes for all artifacts would be passed"
            : null;
        if (limit is not null)
        {
            return LeaveOut(name, length, limit);
        }

        var contentType = ContentTypes.Get(name);
        using var content = new HashingStream(file, length);
        try
        {
            if ((withheld is not null || !masker.IsEmpty) && await IsTextAsync(source, file, length, cancellationToken))
            {
                if (withheld is not null)
                {
                    return LeaveOut(name, length, withheld);
                }

                return _kept[name] = await UploadMaskedAsync(prefix, name, file, length, cancellationToken);
            }

            await blobs.UploadAsync($"{prefix}artifacts/{name}", content, contentType, null, cancellationToken);
        }
        catch (IOException exception)
        {
            return LeaveOut(name, length, masker.MaskText($"it cannot be read: {exception.Message}"));
        }
        catch (ArgumentException)
        {
            return LeaveOut(name, length, ArtifactEntry.NoSuchName);
        }
        catch (BlobStoreException exception) when (!exception.IsOutage)
        {
            // One that the store refuses for good must not cost the others.
            return LeaveOut(name, length, Refused(exception));
        }
        catch (BlobStoreException exception) when (exception.RefusesAll)
        {
            if (await IsWaitedForAsync(prefix, name, entries, cancellationToken))
            {
                _refusal = exception;
                return new ArtifactEntry { Path = name, Bytes = length };
            }

            return LeaveOut(name, length, Refused(exception));
        }

        return _kept[name] = new ArtifactEntry { Path = name, Bytes = content.Position, Sha256 = content.GetSha256(), ContentType = contentType };
    }

    private async Task<bool> IsTextAsync(ArtifactSource source, Stream file, long length, CancellationToken cancellationToken)
    {
        if (source.IsText)
        {
            return true;
        }

        var isText = await TextCheck.IsTextAsync(file, length, cancellationToken);
        file.Position = 0;
        return isText;
    }

    private async Task<ArtifactEntry> UploadMaskedAsync(string prefix, string name, Stream file, long length, CancellationToken cancellationToken)
    {
        using var masked = new MaskingStream(file, length, masker);
        using var content = new HashingStream(masked, long.MaxValue);
        var contentType = ContentTypes.Get(name);
        await blobs.UploadAsync($"{prefix}artifacts/{name}", content, contentType, null, cancellationToken);
        return new ArtifactEntry { Path = name, Bytes = content.Position, Sha256 = content.GetSha256(), ContentType = contentType, Masked = masked.Masked > 0 ? masked.Masked : null };
    }

    private static string? FindFault(string name)
    {
        if (name.Contains('\uFFFD'))
        {
            return "its name is not UTF-8";
        }

        if (name.Any(char.IsControl) || name.Contains('\\'))
        {
            return "its name holds control characters or a backslash";
        }

        return Encoding.UTF8.GetByteCount(name) > LongestName ? $"its name is longer than {LongestName} bytes" : null;
    }

    private string Refused(BlobStoreException exception) => masker.MaskText($"the store does not take it: {exception.Message}");

    private static string Shown(string name) => name.Length <= LongestName ? name : name[..LongestName];

    private static ArtifactEntry LeaveOut(string name, long length, string reason) => new() { Path = name, Bytes = length, LeftOut = reason };
}

/// <summary>What was kept in figures, and the first kept files for the completion event.</summary>
internal sealed record CollectedArtifacts(ArtifactSummary Summary, IReadOnlyList<ArtifactEntry> First);
