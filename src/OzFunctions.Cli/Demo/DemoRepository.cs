using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Machine;

namespace OzFunctions.Cli.Demo;

/// <summary>A small git repository for the demo's agent to work on.</summary>
internal static class DemoRepository
{
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(30);

    public static async Task MakeAsync(string directory, Surroundings surroundings, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        await File.WriteAllTextAsync(
            Path.Combine(directory, "README.md"),
            "# Greeter\n\nA tiny program that says hello.\n\n## Usage\n\n    ./greet.sh NAME\n",
            cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(directory, "greet.sh"), "#!/bin/sh\nprintf 'Hello, %s!\\n' \"${1:-world}\"\n", cancellationToken);

        // Whatever this user's git is set to (hooks, signing, templates) is none of the demo's business.
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = surroundings.Variable("PATH") ?? "/usr/bin:/bin",
            ["HOME"] = directory,
            ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_AUTHOR_NAME"] = "ozf demo",
            ["GIT_AUTHOR_EMAIL"] = "demo@example.com",
            ["GIT_COMMITTER_NAME"] = "ozf demo",
            ["GIT_COMMITTER_EMAIL"] = "demo@example.com",
        };
        string[][] commands = [["init", "--quiet", "--initial-branch=main", "--template="], ["add", "--all"], ["commit", "--quiet", "--no-verify", "--message=A greeter"]];
        foreach (var command in commands)
        {
            var answer = await ShortProcess.AskAsync("git", command, environment, directory, AtMost, surroundings.Time, cancellationToken);
            if (answer.Fault is not null)
            {
                throw CommandException.Unavailable("git was not found, and the demo's agent works on a git repository. Install git and try again.");
            }

            if (answer.ExitCode != 0)
            {
                throw CommandException.Unavailable($"git {command[0]} failed: {answer.Error.Trim().ReplaceLineEndings(" ")}");
            }
        }
    }
}
