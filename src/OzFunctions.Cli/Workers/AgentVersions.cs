using System.Collections.Concurrent;
using OzFunctions.Cli.Machine;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Workers;

/// <summary>Which version of an agent a run is given: asked once for each file, and again when it was replaced. Only agents that are known to answer are asked.</summary>
internal sealed class AgentVersions(IReadOnlyDictionary<string, string> hostEnvironment, TimeProvider time)
{
    private const int Longest = 200;
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);
    private static readonly string[] Known = ["oz", "oz-preview", "warp", "warp-cli", "claude", "codex", "gemini"];
    private readonly ConcurrentDictionary<(string Path, DateTime Written), string?> _asked = new();

    /// <summary>Null: not known, not asked, or no answer.</summary>
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

        // No credentials for a question about a version.
        var environment = hostEnvironment.Where(pair => !SecretNames.IsSecret(pair.Key)).ToDictionary();
        var answer = await ShortProcess.AskAsync(path, ["--version"], environment, "/", AnswerWithin, time, cancellationToken);
        var line = answer is { ExitCode: 0 } ? answer.Output.Split('\n')[0].Trim() : null;
        return _asked[key] = line is { Length: > 0 } ? line[..Math.Min(line.Length, Longest)] : null;
    }
}
