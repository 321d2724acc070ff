using System.Runtime.InteropServices;

namespace OzFunctions.Local;

/// <summary>What a call of <see cref="PosixFiles"/> answered: an errno of Linux, 0 for success.</summary>
public readonly record struct PosixError(int Number)
{
    public static PosixError None => default;

    public static PosixError NotPermitted => new(1);

    public static PosixError NotFound => new(2);

    public static PosixError Interrupted => new(4);

    public static PosixError Io => new(5);

    public static PosixError WouldBlock => new(11);

    public static PosixError AccessDenied => new(13);

    public static PosixError Exists => new(17);

    public static PosixError NotADirectory => new(20);

    public static PosixError IsADirectory => new(21);

    public static PosixError TooManyOpenFilesInSystem => new(23);

    public static PosixError TooManyOpenFiles => new(24);

    public static PosixError NoSpace => new(28);

    public static PosixError ReadOnlyFileSystem => new(30);

    public static PosixError NameTooLong => new(36);

    public static PosixError NotEmpty => new(39);

    public static PosixError Quota => new(122);

    public bool Ok => Number == 0;

    /// <summary>The system's own words for it.</summary>
    public string Text => HostSystem.IsLinux ? Marshal.GetPInvokeErrorMessage(Number) : Number switch
    {
        2 => "No such file or directory",
        13 => "Permission denied",
        17 => "File exists",
        21 => "Is a directory",
        28 => "No space left on device",
        36 => "File name too long",
        39 => "Directory not empty",
        _ => "Input/output error",
    };

    /// <summary>The exception to throw where nobody handles this answer.</summary>
    public IOException At(string path, string what) => Number switch
    {
        2 => new FileNotFoundException($"Could not {what} '{path}': {Text}.", path),
        _ => new IOException($"Could not {what} '{path}': {Text}.", Number),
    };

    /// <summary>The answer of the call just made: a negative result takes the errno.</summary>
    internal static PosixError Of(int result) => result < 0 ? new(Marshal.GetLastPInvokeError()) : None;
}
