using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.DeadLetters;

/// <summary>Dead letters are blobs in every store, newest first. Nothing removes them but a person.</summary>
public sealed class DeadLetterStore(IBlobStore blobs, TimeProvider time)
{
    internal const string Prefix = "dead-letters/";

    /// <summary>
    /// The same message makes the same id, so that a repeat after a crash is known. The message id alone does not say which message it is: a sender may choose it, and choose it twice.
    /// </summary>
    public static string IdOf(string queue, string messageId, ReadOnlySpan<byte> body) =>
        RunBlobs.Hash($"{queue}\n{messageId}\n{Convert.ToHexStringLower(SHA256.HashData(body))}")[..16];

    /// <summary>Durable when it answers; then its message may be completed.</summary>
    /// <param name="mayBeThere">It was delivered before, and may have been kept then. To look costs a listing of all letters, of which there may be a flood.</param>
    public async Task AddAsync(DeadLetter letter, bool mayBeThere, CancellationToken cancellationToken)
    {
        if (!mayBeThere || await FindNameAsync(letter.Id, cancellationToken) is null)
        {
            await CreateAsync(letter, cancellationToken);
        }
    }

    /// <summary>The same for many in a row, for one listing.</summary>
    /// <param name="known">By <see cref="FindIdsAsync"/>; gets the letter's id.</param>
    public async Task AddAsync(DeadLetter letter, HashSet<string> known, CancellationToken cancellationToken)
    {
        if (!known.Contains(letter.Id))
        {
            await CreateAsync(letter, cancellationToken);
            known.Add(letter.Id);
        }
    }

    /// <summary>The ids of all letters there are.</summary>
    public async Task<HashSet<string>> FindIdsAsync(CancellationToken cancellationToken)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var entry in blobs.ListAllAsync(Prefix, cancellationToken))
        {
            ids.Add(Path.GetFileNameWithoutExtension(entry.Name.AsSpan(entry.Name.LastIndexOf('-') + 1)).ToString());
        }

        return ids;
    }

    public async IAsyncEnumerable<DeadLetter> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in blobs.ListAllAsync(Prefix, cancellationToken))
        {
            if (await ReadAsync(entry.Name, cancellationToken) is { } letter)
            {
                yield return letter;
            }
        }
    }

    /// <summary>Newest first. New letters come before a page and do not shift it.</summary>
    /// <param name="after">Where an earlier page ended; null: from the newest on.</param>
    /// <param name="mostText">A page that holds so many characters of messages ends with that letter: each may be large.</param>
    public async Task<DeadLetterPage> ListPageAsync(string? after, int most, int mostText, CancellationToken cancellationToken)
    {
        var letters = new List<DeadLetter>();
        var text = 0L;
        string? last = null;
        await foreach (var entry in blobs.ListAllAsync(Prefix, cancellationToken))
        {
            if (string.CompareOrdinal(entry.Name, Prefix + after) <= 0)
            {
                continue;
            }

            if (letters.Count == most || text >= mostText)
            {
                return new(letters, last);
            }

            last = entry.Name[Prefix.Length..];
            if (await ReadAsync(entry.Name, cancellationToken) is { } letter)
            {
                letters.Add(letter);
                text += letter.Body.Length;
            }
        }

        return new(letters, null);
    }

    public async Task<DeadLetter?> FindAsync(string id, CancellationToken cancellationToken) =>
        await FindNameAsync(id, cancellationToken) is { } name ? await ReadAsync(name, cancellationToken) : null;

    /// <summary>False: there is none with this id. A write that landed late may have made a second blob of a letter: both go.</summary>
    public async Task<bool> TryRemoveAsync(string id, CancellationToken cancellationToken) =>
        await blobs.DeleteAllAsync(Prefix, entry => IsOf(entry, id), cancellationToken) > 0;

    private async Task CreateAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        var name = $"{Prefix}{RunBlobs.Invert(time.GetUtcNow().ToUnixTimeMilliseconds())}-{letter.Id}.json";
        await blobs.TryCreateAsync(name, JsonSerializer.SerializeToUtf8Bytes(letter, DeadLetterJson.Wire.DeadLetter), null, cancellationToken);
    }

    private static bool IsOf(BlobEntry entry, string id) => entry.Name.EndsWith($"-{id}.json", StringComparison.Ordinal);

    private async Task<string?> FindNameAsync(string id, CancellationToken cancellationToken) =>
        (await blobs.ListAllAsync(Prefix, cancellationToken).FirstOrDefaultAsync(entry => IsOf(entry, id), cancellationToken))?.Name;

    private async Task<DeadLetter?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await blobs.FindAsync(name, cancellationToken) is { } blob ? JsonSerializer.Deserialize(blob.Content.Span, DeadLetterJson.Wire.DeadLetter) : null;
        }
        catch (JsonException)
        {
            // Edited by hand into nonsense: it stays for a person, and is in nobody's way.
            return null;
        }
    }
}

/// <summary>A page of dead letters; <see cref="Next"/> null: there are no more.</summary>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetter> Letters, string? Next);
