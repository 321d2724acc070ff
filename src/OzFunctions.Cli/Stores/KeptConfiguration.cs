using System.Security.Cryptography;
using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Configuration;
using OzFunctions.Direct.Posix;
using OzFunctions.Files;
using OzFunctions.Local;

namespace OzFunctions.Cli.Stores;

/// <summary>
/// A configuration in a store (<c>blob:NAME</c>) as <c>ozf exec</c> last read it, kept in the data directory: a store that is away keeps no agent from running, and no agent
/// runs without the policy that binds it (ADR 0014).
/// </summary>
internal static class KeptConfiguration
{
    /// <summary>The document of the store; while that is away the kept one. Throws <see cref="CommandException"/> when there is neither.</summary>
    /// <param name="blob">Its name.</param>
    /// <param name="storage">The account it is in.</param>
    /// <param name="data">The data directory by flag or variable: what the document itself says of it is not known yet.</param>
    /// <param name="surroundings">Where the call is made.</param>
    /// <param name="warn">Told when the kept one does.</param>
    public static ConfigurationResult Read(string blob, StorageSetting storage, string? data, Surroundings surroundings, Action<string> warn)
    {
        var path = FindPlace(blob, storage, data, surroundings);
        ReadOnlyMemory<byte> document;
        try
        {
            document = AzureStore.ReadDocument(blob, storage, surroundings);
        }
        catch (BlobStoreException ex) when (ex.IsTransient)
        {
            if (path is null || Find(path) is not { } kept)
            {
                throw CommandException.Unavailable(
                    $"{ex.Message.TrimEnd('.')}. blob:{blob} was never read on this machine, so that its policy is not known, and no agent is started without it; try again, or name a file with --config-file.");
            }

            warn($"{ex.Message.TrimEnd('.')}; the configuration is blob:{blob} as it was last read here ({path}).");
            return ConfigurationFile.Read(kept, path);
        }

        var read = ConfigurationFile.Read(document.Span, $"blob:{blob}");
        if (read.IsValid && path is not null)
        {
            Keep(path, document.Span);
        }

        return read;
    }

    /// <summary>Null: there is no directory for data. Such a call is told of it where it needs one.</summary>
    private static string? FindPlace(string blob, StorageSetting storage, string? data, Surroundings surroundings)
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{AzureStore.NameOf(storage)}\n{blob}")))[..16];
        try
        {
            return Path.Combine(DataDirectory.Find(data, configured: null, surroundings), $"exec-config-{name}.yaml");
        }
        catch (CommandException)
        {
            return null;
        }
    }

    /// <summary>What another account could have written is nobody's policy.</summary>
    private static byte[]? Find(string path)
    {
        try
        {
            return Libc.FindFacts(path) is { IsRegular: true } facts && Libc.IsOwn(facts) && !PrivateFiles.IsOpenToOthers(path) ? File.ReadAllBytes(path) : null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Keep(string path, ReadOnlySpan<byte> document)
    {
        if (Find(path) is { } there && document.SequenceEqual(there))
        {
            return;
        }

        try
        {
            // No lock and no watch is needed for it.
            FilesStore.MakeDirectory(Path.GetDirectoryName(path)!, allowNetworkFileSystem: true);
            DurableFiles.Replace(path, document);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or BlobStoreException)
        {
            // This call has what it needs; a later one asks the store again.
        }
    }
}
