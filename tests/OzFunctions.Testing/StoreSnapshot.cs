using OzFunctions.Blobs;

namespace OzFunctions.Testing;

/// <summary>Every blob of a store at one moment, by name.</summary>
public sealed class StoreSnapshot(IReadOnlyDictionary<string, byte[]> blobs)
{
    public IEnumerable<string> Names => blobs.Keys;

    public IEnumerable<KeyValuePair<string, byte[]>> All => blobs;

    public byte[]? Find(string name) => blobs.GetValueOrDefault(name);

    public IEnumerable<string> Under(string prefix) => blobs.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>The container of a data directory, read as plain files.</summary>
    public static StoreSnapshot OfDirectory(string container) => new(
        Directory.EnumerateFiles(container, "*", SearchOption.AllDirectories).ToDictionary(path => Path.GetRelativePath(container, path), ReadShared));

    /// <summary>Any store through its port.</summary>
    public static async Task<StoreSnapshot> OfAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        var blobs = new Dictionary<string, byte[]>();
        string? continuation = null;
        do
        {
            var page = await store.ListAsync("", continuation, 1_000, cancellationToken);
            foreach (var entry in page.Entries)
            {
                if (await store.FindAsync(entry.Name, cancellationToken) is { } blob)
                {
                    blobs[entry.Name] = blob.Content.ToArray();
                }
            }

            continuation = page.Continuation;
        }
        while (continuation is not null);
        return new(blobs);
    }

    private static byte[] ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
