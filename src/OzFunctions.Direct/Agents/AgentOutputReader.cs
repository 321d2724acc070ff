using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Direct.Logs;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Agents;

/// <summary>
/// Reads run id, session link, pull requests and the final line from the agent's NDJSON or text, line by line. Output is data of a stranger:
/// a line that is too long, cut, not UTF-8 or only looks right changes nothing.
/// </summary>
internal sealed partial class AgentOutputReader(string? harness, Regex? finishedPattern) : IAgentLineObserver
{
    private const int MostBytes = 1 << 20;
    private const int MostValue = 2_048;
    private const int MostPullRequests = 50;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private AgentReport _report = new();

    /// <summary>What was read so far.</summary>
    public AgentReport Report
    {
        get
        {
            lock (_gate)
            {
                return _report;
            }
        }
    }

    /// <summary>Completes when the final line was read.</summary>
    public Task Finished => _finished.Task;

    public void OnLine(SpoolStream stream, ReadOnlySpan<byte> line)
    {
        if (stream is not (SpoolStream.AgentOut or SpoolStream.AgentErr) || line.Length > MostBytes)
        {
            return;
        }

        line = line.TrimEnd("\r\n \t"u8);
        if (line.IsEmpty)
        {
            return;
        }

        lock (_gate)
        {
            if (stream == SpoolStream.AgentOut && line[0] == '{' && line[^1] == '}')
            {
                ReadJson(line);
            }
            else
            {
                ReadText(line, stream);
            }

            if (finishedPattern is not null && stream == SpoolStream.AgentOut && _report.Final is null)
            {
                MatchFinished(Encoding.UTF8.GetString(line));
            }
        }
    }

    private void ReadJson(ReadOnlySpan<byte> line)
    {
        // Most lines are tool calls and results: only these kinds are worth parsing.
        if (line.IndexOf("\"system\""u8) < 0 && line.IndexOf("\"artifact_created\""u8) < 0 && line.IndexOf("\"result\""u8) < 0)
        {
            return;
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(line.ToArray());
        }
        catch (JsonException)
        {
            return;
        }

        using (document)
        {
            var root = document.RootElement;
            switch (Text(root, "type"))
            {
                case "system":
                    ReadSystem(root);
                    break;
                case "artifact_created" when Text(root, "artifact_type") == "pull_request":
                    AddPullRequest(Text(root, "url"), Text(root, "branch"));
                    break;
                case "result" when harness == "claude" && _report.Final is null:
                    var failed = (root.TryGetProperty("is_error", out var error) && error.ValueKind == JsonValueKind.True)
                        || Text(root, "subtype")?.StartsWith("error", StringComparison.Ordinal) == true;
                    Finish(new FinalLine(!failed, Text(root, "subtype")));
                    break;
            }
        }
    }

    private void ReadSystem(JsonElement root)
    {
        switch (Text(root, "event_type"))
        {
            case "run_started":
                SetRun(Text(root, "run_id"), Text(root, "run_url"));
                break;
            case "conversation_started":
                _report = _report with { ConversationId = _report.ConversationId ?? Text(root, "conversation_id") };
                break;
            case "shared_session_established":
                _report = _report with { SessionUrl = _report.SessionUrl ?? Link(Text(root, "join_url")) };
                break;
        }
    }

    private void ReadText(ReadOnlySpan<byte> line, SpoolStream stream)
    {
        // Everything looked for is near the beginning of a line.
        var text = Escapes().Replace(Encoding.UTF8.GetString(line[..Math.Min(line.Length, 4 * MostValue)]), "").Trim();
        if (text.IndexOf("got stuck waiting for user confirmation on the action:", StringComparison.Ordinal) is >= 0 and var at)
        {
            var action = text[(at + "got stuck waiting for user confirmation on the action:".Length)..].Trim();
            _report = _report with { BlockedOn = _report.BlockedOn ?? Cut(action) };
        }

        if (stream == SpoolStream.AgentErr)
        {
            return;
        }

        if (After(text, "Run ID:") is { } id)
        {
            SetRun(id.Split(' ', 2)[0], null);
        }
        else if (After(text, "Open in Oz:") is { } page)
        {
            SetRun(null, page);
        }
        else if (After(text, "Sharing session at:") is { } session)
        {
            _report = _report with { SessionUrl = _report.SessionUrl ?? Link(session) };
        }
        else if (After(text, "New conversation started with debug ID:") is { } conversation)
        {
            _report = _report with { ConversationId = _report.ConversationId ?? Cut(conversation) };
        }
        else if (PullRequestLine().Match(text) is { Success: true } match)
        {
            AddPullRequest(match.Groups["url"].Value, match.Groups["branch"] is { Success: true } branch ? branch.Value : null);
        }
    }

    private void MatchFinished(string text)
    {
        try
        {
            if (finishedPattern!.Match(text) is { Success: true } match)
            {
                Finish(new FinalLine(!match.Groups["failed"].Success, null));
            }
        }
        catch (RegexMatchTimeoutException)
        {
            // A line on which the pattern takes too long is not the final line.
        }
    }

    private void Finish(FinalLine final)
    {
        _report = _report with { Final = final };
        _finished.TrySetResult();
    }

    private void SetRun(string? id, string? url) => _report = _report with
    {
        OzRunId = _report.OzRunId ?? (id is { Length: > 0 } ? Cut(id) : null),
        OzRunUrl = _report.OzRunUrl ?? Link(url),
    };

    private void AddPullRequest(string? url, string? branch)
    {
        if (Link(url) is { } link && _report.PullRequests.Count < MostPullRequests && _report.PullRequests.All(known => known.Url != link))
        {
            _report = _report with { PullRequests = [.. _report.PullRequests, new PullRequest(link, branch is { Length: > 0 } ? Cut(branch) : null)] };
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string? After(string text, string start) => text.StartsWith(start, StringComparison.Ordinal) ? text[start.Length..].Trim() : null;

    /// <summary>Only a web address is kept: it will be shown as a link.</summary>
    private static string? Link(string? text) =>
        text is { Length: <= MostValue } && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" ? text : null;

    private static string Cut(string text) => text.Length <= 512 ? text : text[..512];

    [GeneratedRegex(@"^Created PR: (?<url>\S+)(?: \(branch: (?<branch>[^)]*)\))?", RegexOptions.CultureInvariant)]
    private static partial Regex PullRequestLine();

    // A sequence that the end of the line cuts is removed too.
    [GeneratedRegex(@"\x1b(?:\[[0-?]*[ -/]*(?:[@-~]|$)|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[@-Z\\^_]|$)", RegexOptions.CultureInvariant)]
    private static partial Regex Escapes();
}
