using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>
/// Metadata beside the content, in a tree of its own. A sidecar names the ETag of the content it belongs to and is renamed first, so that a crash
/// between the two leaves one that fits nothing: it is ignored. Never synced: it can be rebuilt.
/// </summary>
internal sealed class Sidecars(FilesStore store)
{
    private const int Largest = 1 << 16;

    public IReadOnlyDictionary<string, string>? Find(string relativePath, ETag etag)
    {
        var error = PosixFiles.OpenRead(PathOf(relativePath), out var file);
        using (file)
        {
            if (!error.Ok || !FileFacts.Find(file, out var facts).Ok || !facts.IsFile || facts.Length is 0 or > Largest)
            {
                return null;
            }

            var bytes = new byte[facts.Length];
            var read = RandomAccess.Read(file, bytes, 0);
            try
            {
                var document = JsonSerializer.Deserialize(bytes.AsSpan(0, read), FilesJson.Default.SidecarDocument);
                return document is not null && document.Etag == etag.Value ? document.Meta : null;
            }
            catch (JsonException)
            {
                // Power loss cut it; nobody synced it.
                return null;
            }
        }
    }

    /// <summary>To be called under the blob's lock, before the content gets its name.</summary>
    public void Write(string relativePath, ETag etag, IReadOnlyDictionary<string, string> metadata)
    {
        var document = new SidecarDocument(etag.Value, new Dictionary<string, string>(metadata));
        var temporary = store.WriteTemporary(JsonSerializer.SerializeToUtf8Bytes(document, FilesJson.Default.SidecarDocument), durable: false);
        var path = PathOf(relativePath);
        var error = FilesStore.Place(path, () => PosixFiles.Rename(temporary, path));
        if (!error.Ok)
        {
            PosixFiles.Unlink(temporary);
            throw StoreFaults.From(error, path);
        }
    }

    public void Delete(string relativePath) => PosixFiles.Unlink(PathOf(relativePath));

    private string PathOf(string relativePath) => Path.Join(store.MetadataDirectory, relativePath);
}
