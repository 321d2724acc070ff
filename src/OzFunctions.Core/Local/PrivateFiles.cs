namespace OzFunctions.Local;

/// <summary>Files and directories that only this user can enter. Windows has no modes: there the user's own profile is the border.</summary>
public static class PrivateFiles
{
    private const UnixFileMode File = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Folder = File | UnixFileMode.UserExecute;
    private const UnixFileMode Others = (UnixFileMode)0x3F;

    /// <summary>Makes the directory, and those above it that are missing, mode 0700; one that is there stays as it is.</summary>
    public static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, Folder);
        }
    }

    /// <summary>The same options with mode 0600 for a file that is made.</summary>
    public static FileStreamOptions Private(this FileStreamOptions options)
    {
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = File;
        }

        return options;
    }

    /// <summary>Takes everybody else's rights to a file away.</summary>
    public static void Close(Microsoft.Win32.SafeHandles.SafeFileHandle file)
    {
        if (!OperatingSystem.IsWindows())
        {
            System.IO.File.SetUnixFileMode(file, File);
        }
    }

    /// <summary>Whether another account has any right to it.</summary>
    public static bool IsOpenToOthers(string path) => !OperatingSystem.IsWindows() && (System.IO.File.GetUnixFileMode(path) & Others) != 0;
}
