namespace OzFunctions.Cli.CommandLine;

/// <summary>A file named by a flag, or standard input for <c>-</c>.</summary>
internal static class InputFile
{
    /// <summary>Far above any request; more is a slip, not a request.</summary>
    private const int MostBytes = 4 << 20;

    public static async Task<ReadOnlyMemory<byte>> ReadAsync(string path, Surroundings surroundings, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = path == "-" ? surroundings.In() : File.OpenRead(Path.Combine(surroundings.Directory, path));
            using var content = new MemoryStream();
            var buffer = new byte[64 * 1024];
            int read;
            while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                content.Write(buffer, 0, read);
                if (content.Length > MostBytes)
                {
                    throw CommandException.Usage($"'{path}' is larger than 4 MiB; that is no run request.");
                }
            }

            return content.ToArray();
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Usage($"'{path}' cannot be read: {ex.Message}");
        }
    }
}
