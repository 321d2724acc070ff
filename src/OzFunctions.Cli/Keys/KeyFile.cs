using System.Text;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Files;
using OzFunctions.Keys;
using OzFunctions.Local;

namespace OzFunctions.Cli.Keys;

/// <summary><c>&lt;data&gt;/api-key</c>, mode 0600: the key that is always there. Made by the first <c>ozf up</c>; commands of the same user read it.</summary>
internal static class KeyFile
{
    private const int MostBytes = 4096;

    public static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, "api-key");

    /// <summary>The key, made when there is none; of several hosts that start at once one makes it, and all read that one.</summary>
    public static string Ensure(string dataDirectory)
    {
        var path = PathIn(dataDirectory);
        try
        {
            FilesStore.MakeDirectory(dataDirectory);
            if (!File.Exists(path))
            {
                DurableFiles.WriteNew(path, Encoding.ASCII.GetBytes(KeyText.Create() + "\n"));
            }

            RefuseOthers(path);
        }
        catch (IOException ex)
        {
            throw CommandException.Unavailable($"the key file {path} cannot be written: {ex.Message}");
        }

        return Read(path);
    }

    public static string Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (file.Length > MostBytes)
            {
                throw CommandException.Usage($"the key file {path} is larger than {MostBytes} bytes; it should hold one key.");
            }

            using var reader = new StreamReader(file);
            var key = reader.ReadToEnd().Trim();
            return KeyText.FindFault(key) is { } fault
                ? throw CommandException.Usage($"the key file {path} holds no key: it {fault}. Delete the file, and the next 'ozf up' makes a new one.")
                : key;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Unavailable($"the key file {path} cannot be read: {ex.Message}");
        }
    }

    private static void RefuseOthers(string path)
    {
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if ((File.GetUnixFileMode(path) & Others) != 0)
        {
            throw CommandException.Usage($"the key file {path} can be read or written by others; run 'chmod 600 {path}', or delete it, and the next 'ozf up' makes a new one.");
        }
    }
}
