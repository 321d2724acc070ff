using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Completion;

/// <summary>The scripts of <c>ozf completion</c> in the shells they are for.</summary>
public sealed class CompletionTests
{
    private const int Limit = 180_000;

    // Bash fills COMPREPLY, zsh calls functions of its completion system, which are stood in for, and fish answers a line itself.
    private const string Bash = """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ozf; printf '%s\n' "${COMPREPLY[@]}" """;
    private const string Zsh = """
        compdef() { : }
        _files() { : }
        _describe() { local one; for one in ${(P)2}; do [[ $one == $words[CURRENT]* ]] && print -r -- ${one%%:*}; done }
        compadd() { local one; for one in "$@"; do [[ $one == $words[CURRENT]* ]] && print -r -- $one; done }
        source "$1"; shift; words=("$@"); CURRENT=$#; _ozf
        """;

    private const string Fish = """source $argv[1]; complete -C (string join -- ' ' $argv[2..]) | string replace -r '\\t.*' ''""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData("bash", "-c", Bash)]
    [InlineData("zsh", "-fc", Zsh)]
    [InlineData("fish", "--no-config -c", Fish)]
    public async Task A_shell_offers_commands_flags_and_values(string shell, string flags, string driver)
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(directory => Path.Combine(directory, shell)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(program is null, $"{shell} is not here (Debian: apt-get install {shell})");
        using var rig = new OzfRig();
        var script = rig.Write("script", (await rig.RunAsync("completion", shell)).Ends(0).Output);

        foreach (var (line, expected) in new[]
        {
            ("runs l", "list logs"),
            ("runs logs --att", "--attempt"),
            ("worker --on-sigterm d", "detach drain"),
            ("exec --agent c", "claude codex"),
            ("--output j", "json"),
        })
        {
            string[] words = ["ozf", .. line.Split(' ')];
            var separator = shell == "fish" ? Array.Empty<string>() : [shell];
            var answer = await TestProcess.RunAsync(program!, [.. flags.Split(' '), driver, .. separator, script, .. words], Cancellation, new Dictionary<string, string?> { ["HOME"] = rig.Place });

            Assert.True(answer.ExitCode == 0 || answer.Errors.Length == 0, answer.Errors);
            Assert.Equal((line, expected), (line, string.Join(' ', answer.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal))));
        }
    }
}
