using System.Diagnostics;

namespace OzFunctions.Bench;

/// <summary>The directory that everything of a bench lies in, and the agents it runs. Removed at the end.</summary>
internal sealed class BenchPlace : IDisposable
{
    private int _number;

    public BenchPlace()
    {
        Root = Directory.CreateTempSubdirectory("ozf-bench-").FullName;
        Noop = Script("noop", "exit 0");

        // bash has the clock built in: what is measured is the agent's own first line, and not a second program.
        Marking = Script("marking", "echo $EPOCHREALTIME > \"$BENCH_MARKS/$OZF_RUN_ID.start\"; echo $EPOCHREALTIME > \"$BENCH_MARKS/$OZF_RUN_ID.end\"", "/bin/bash");
        Directory.CreateDirectory(Marks);
    }

    /// <summary>
    /// The host that users start: the launcher's build, which is compiled ahead of time. A plain build spends half of its first hundreds of runs in the JIT compiler.
    /// Where the bench was copied out of its tree, the one beside it.
    /// </summary>
    public static string Program { get; } = FindLauncher(AppContext.BaseDirectory) ?? Path.Join(AppContext.BaseDirectory, "ozf");

    public string Root { get; }

    public string Noop { get; }

    public string Marking { get; }

    public string Marks => Path.Join(Root, "marks");

    public string NewDirectory(string name) => Directory.CreateDirectory(Path.Join(Root, $"{name}-{++_number}")).FullName;

    public string Script(string name, string body, string shell = "/bin/sh")
    {
        var path = Path.Join(Root, name);
        File.WriteAllText(path, $"#!{shell}\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>What a marking agent wrote of itself, as Unix time.</summary>
    public DateTimeOffset ReadMark(string runId, string which) => LineStamps.Parse(File.ReadAllText(Path.Join(Marks, $"{runId}.{which}")).Trim());

    /// <summary>Starts a program; the bench waits for it or ends it.</summary>
    public static Process Start(string program, IEnumerable<string> arguments, bool redirect)
    {
        var info = new ProcessStartInfo(program) { RedirectStandardOutput = redirect, RedirectStandardError = redirect };
        foreach (var argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

#pragma warning disable RS0030 // A bench is no run: it starts the host under test, and measures this very call as a floor.
        return Process.Start(info)!;
#pragma warning restore RS0030
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private static string? FindLauncher(string directory)
    {
        for (var place = Path.TrimEndingDirectorySeparator(directory); place is not null; place = Path.GetDirectoryName(place))
        {
            var launcher = Path.Join(place, "ozf");
            if (File.Exists(Path.Join(place, "OzFunctions.sln")) && File.Exists(launcher))
            {
                // Builds it where a source is newer: not in the time that is measured.
                using var build = Start(launcher, ["--version"], redirect: true);
                build.StandardOutput.ReadToEnd();
                build.WaitForExit();
                return launcher;
            }
        }

        return null;
    }
}
