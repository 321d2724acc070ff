using System.Collections.Concurrent;
using OzFunctions.Direct.Accounts;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Shims;

namespace OzFunctions.Direct.Agents;

/// <summary>
/// Which version of an agent a run is given: asked once for each file, and again when it was replaced. Only agents that are known to answer are asked. Whoever may write that
/// file is no more than the account that runs have: it is asked as that account, with nothing of the host's environment but PATH and HOME, and what it leaves running is ended.
/// </summary>
/// <param name="hostEnvironment">Of which it sees PATH and HOME.</param>
/// <param name="answerWithin">How long a run waits for the answer.</param>
internal sealed class AgentVersions(IReadOnlyDictionary<string, string> hostEnvironment, TimeSpan answerWithin)
{
    private static readonly string[] Known = ["oz", "oz-preview", "warp", "warp-cli", "claude", "codex", "gemini"];
    private readonly ConcurrentDictionary<(string Path, DateTime Written), string?> _asked = new();

    /// <summary>What it said in its first line; null: not known, not asked, or no answer.</summary>
    /// <param name="path">The agent's file.</param>
    /// <param name="user">The account it is asked as; null: this process'.</param>
    /// <param name="inquiry">By which it is asked.</param>
    /// <param name="stopOrdered">The run is to be stopped: no answer is waited for.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<string?> FindAsync(string path, Account? user, Inquiry inquiry, CancellationToken stopOrdered, CancellationToken cancellationToken)
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

        try
        {
            var answer = await inquiry.AskAsync(Question(path, user) with { Unwanted = stopOrdered }, cancellationToken);

            // A machine that was too busy to answer in time may do so the next time.
            return answer.Status is not { StoppedBy: null, ExitCode: { } code } ? null : _asked[key] = code == 0 && answer.Output[0].Length > 0 ? answer.Output[0] : null;
        }
        catch (Exception exception) when (exception is ShimException or IOException or UnauthorizedAccessException)
        {
            // No run waits for a version.
            return null;
        }
    }

    /// <summary>Asks any program.</summary>
    /// <inheritdoc cref="Inquiry.AskAsync"/>
    public Task<InquiryAnswer> AskAsync(string path, Account? user, Inquiry inquiry, CancellationToken cancellationToken) =>
        inquiry.AskAsync(Question(path, user), cancellationToken);

    private InquiryQuestion Question(string path, Account? user)
    {
        var home = user?.Home ?? hostEnvironment.GetValueOrDefault("HOME");
        var given = new[] { ("PATH", hostEnvironment.GetValueOrDefault("PATH")), ("HOME", home) };
        return new()
        {
            Arguments = [path, "--version"],
            Environment = [.. given.Where(pair => pair.Item2 is not null).Select(pair => $"{pair.Item1}={pair.Item2}")],
            Within = answerWithin,
            User = user?.ToShim(),
        };
    }
}
