using System.CommandLine;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Completion;

/// <summary><c>ozf completion</c>: a script for the shell, made from the same tree of commands as <c>--help</c>.</summary>
internal static class CompletionCommand
{
    public static Command Create(Surroundings surroundings, RootCommand root)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        return new Command("completion", "Print a completion script for a shell").With(shell).Does(surroundings, (context, _) =>
        {
            var words = CompletionWord.Of(root);
            context.Screen.Out.Write(context.Get(shell) switch
            {
                "zsh" => CompletionScripts.Zsh(words),
                "fish" => CompletionScripts.Fish(words),
                _ => CompletionScripts.Bash(words),
            });
            return Task.FromResult(ExitCodes.Success);
        });
    }
}
