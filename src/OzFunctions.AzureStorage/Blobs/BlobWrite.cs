using System.Security.Cryptography;

namespace OzFunctions.AzureStorage;

/// <summary>
/// The metadata of one conditional write, with an id of its own: a refusal after a lost answer is read back, and this id inside means that the write was done.
/// </summary>
internal sealed class BlobWrite
{
    private const string Key = "ozf_write";

    private readonly string _id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    /// <param name="metadata">Printable ASCII: the service keeps nothing else.</param>
    public BlobWrite(IReadOnlyDictionary<string, string>? metadata)
    {
        Metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
        {
            if (value.AsSpan().ContainsAnyExceptInRange(' ', '~') || value != value.Trim())
            {
                throw new ArgumentException($"Metadata '{key}' must be printable ASCII without blanks at its ends: percent-encode it.", nameof(metadata));
            }

            Metadata[key] = value;
        }

        Metadata[Key] = _id;
    }

    public IDictionary<string, string> Metadata { get; }

    public bool IsIn(IDictionary<string, string>? stored) => stored is not null && stored.TryGetValue(Key, out var id) && id == _id;

    /// <summary>What the caller of the port gave; null: nothing.</summary>
    public static Dictionary<string, string>? Read(IDictionary<string, string>? stored)
    {
        if (stored is null || stored.Count == 0 || (stored.Count == 1 && stored.ContainsKey(Key)))
        {
            return null;
        }

        var metadata = new Dictionary<string, string>(stored, StringComparer.Ordinal);
        metadata.Remove(Key);
        return metadata;
    }
}
