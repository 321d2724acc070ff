using System.Collections.Concurrent;
using OzFunctions.Cli.Machine;
using OzFunctions.Direct.Accounts;

namespace OzFunctions.Cli.Workers;

/// <summary>
/// Which version of an agent a run is given: asked once for each file, and again when it was replaced. Only agents that are known to answer are asked; as the account
/// that runs have, for whoever may write that file is no more than that, and with nothing of the host's environment.
/// </summary>
internal sealed class AgentVersions(IReadOnlyDictionary<string, string> hostEnvironment, Account? user, TimeProvider time)
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);
    private static readonly string[] Known = ["oz", "oz-preview", "warp", "warp-cli", "claude", "codex", "gemini"];
    private readonly ConcurrentDictionary<(string Path, DateTime Written), string?> _asked = new();

    /// <summary>What it said in its first line; null: not known, not asked, or no answer.</summary>
    public async Task<string?> FindAsync(string path, CancellationToken cancellationToken)
    {
        if (!Known.Contains(Path.GetFileName(path)))
        {
            return null;
        }

        var key = (path, File.GetLastWriteTimeUtc(path));
        if (_asked.TryGetValue(key, out var known))
        {
            return known;
        }

        var answer = await AskAsync(path, AnswerWithin, cancellationToken);
        if (answer is null)
        {
            // A machine that was too busy to answer in time may do so the next time.
            return null;
        }

        return _asked[key] = answer is { ExitCode: 0 } && answer.Output.Split('\n')[0].Trim() is { Length: > 0 } line ? line : null;
    }

    /// <summary>Asks any program; null: it is not there or did not answer in time.</summary>
    public Task<ShortAnswer?> AskAsync(string path, TimeSpan within, CancellationToken cancellationToken)
    {
        var environment = new[] { "PATH", "HOME", "TMPDIR" }.Where(hostEnvironment.ContainsKey).ToDictionary(name => name, name => hostEnvironment[name]);
        if (user is not null)
        {
            environment["HOME"] = user.Home;
            environment.Remove("TMPDIR");
        }

        return ShortProcess.AskAsync(path, ["--version"], environment, "/", within, time, cancellationToken, account: user?.Name);
    }
}
