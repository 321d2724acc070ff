using System.Runtime.InteropServices;

namespace OzFunctions.Direct.Posix;

/// <summary>Reads the names in an open directory as bytes, so that names which are not UTF-8 are seen as they are.</summary>
internal static unsafe class DirectoryNames
{
    // struct dirent of 64-bit glibc and musl: ino 8, off 8, reclen 2, type 1, name.
    private const int NameOffset = 19;

    /// <summary>All names but <c>.</c> and <c>..</c>, each with a final NUL; null with errno set when the directory cannot be read.</summary>
    public static List<byte[]>? Read(int directory)
    {
        var copy = Libc.Duplicate(directory);
        if (copy < 0)
        {
            return null;
        }

        var stream = Libc.OpenDirectoryStream(copy);
        if (stream == 0)
        {
            Libc.Close(copy);
            return null;
        }

        var names = new List<byte[]>();
        try
        {
            for (var entry = Libc.ReadDirectory(stream); entry is not null; entry = Libc.ReadDirectory(stream))
            {
                var name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + NameOffset);
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                {
                    names.Add([.. name, 0]);
                }
            }
        }
        finally
        {
            Libc.CloseDirectoryStream(stream);
        }

        return names;
    }
}
