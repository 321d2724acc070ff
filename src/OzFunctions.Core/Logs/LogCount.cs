using System.Security.Cryptography;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Logs;

/// <summary>Counts a log that nobody sealed.</summary>
internal static class LogCount
{
    /// <summary>Lines, bytes and hash of what is there; null when there is no log.</summary>
    public static async Task<LogSummary?> CountAsync(IBlobStore blobs, string name, CancellationToken cancellationToken)
    {
        await using var stream = await blobs.OpenReadAsync(name, 0, null, cancellationToken);
        if (stream is null)
        {
            return null;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 * 1024];
        long bytes = 0, lines = 0;
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            hash.AppendData(buffer, 0, read);
            bytes += read;
            lines += buffer.AsSpan(0, read).Count((byte)'\n');
        }

        return new() { Lines = lines, Bytes = bytes, Sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()), Sealed = false };
    }
}
