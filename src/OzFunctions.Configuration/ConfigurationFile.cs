using System.Text;

namespace OzFunctions.Configuration;

/// <summary>Loads the document from a file or from bytes that came from elsewhere, such as a blob.</summary>
internal static class ConfigurationFile
{
    private const int MostBytes = 1 << 20;

    public static ConfigurationResult Load(string path)
    {
        byte[] bytes;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length > MostBytes)
            {
                return Refuse(path, "the file is larger than 1 MiB; is this the configuration?");
            }

            using var copy = new MemoryStream();
            file.CopyTo(copy);
            bytes = copy.ToArray();
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return Refuse(path, "the file does not exist; check --config-file or OZF_CONFIG");
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return Refuse(path, Directory.Exists(path) ? "is a directory; name the file in it" : "the file cannot be read; check its owner and mode");
        }

        return Read(bytes, path);
    }

    /// <param name="source">Its name for messages.</param>
    public static ConfigurationResult Read(ReadOnlySpan<byte> utf8, string source)
    {
        try
        {
            var text = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(utf8);
            return ConfigurationReader.Read(text.TrimStart('\ufeff'), source);
        }
        catch (DecoderFallbackException)
        {
            return Refuse(source, "the file is not UTF-8; save it as UTF-8");
        }
    }

    private static ConfigurationResult Refuse(string source, string rule) => new(null, [new ConfigurationFault("", null, rule, null, source)]);
}
