namespace OzFunctions.EndToEnd.Tests;

/// <summary>An agent of a few lines of shell.</summary>
internal static class ShellAgent
{
    // A host asks a program named oz for its version, outside any run: one that takes that for a run would leave its files and processes to nobody.
    private const string Version = "[ \"$1\" != --version ] || { echo 1.0; exit 0; }\n";

    /// <summary>Writes it as an executable file.</summary>
    /// <param name="path">Of the file.</param>
    /// <param name="body">What it does; asked for its version it answers before that, unless the body deals with that itself.</param>
    public static void Write(string path, string body)
    {
        File.WriteAllText(path, "#!/bin/sh\n" + (body.Contains("--version", StringComparison.Ordinal) ? "" : Version) + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
