using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json.Nodes;

namespace OzFunctions.FakeAgent;

/// <summary>What the CLI writes on stdout, as text or as one JSON object a line (facts A5). Unbuffered: a line is out when the call returns.</summary>
internal sealed class AgentOutput(bool json)
{
    private static readonly System.Text.Json.JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Stream _out = Console.OpenStandardOutput();
    private readonly Stream _error = Console.OpenStandardError();

    public bool IsJson => json;

    public void RunStarted(string runId)
    {
        var url = $"https://oz.warp.dev/runs/{runId}";
        Write($"Run ID: {runId}\nOpen in Oz: {url}\n", new JsonObject { ["type"] = "system", ["event_type"] = "run_started", ["run_id"] = runId, ["run_url"] = url });
    }

    public void ConversationStarted(string id) =>
        Write($"New conversation started with debug ID: {id}", new JsonObject { ["type"] = "system", ["event_type"] = "conversation_started", ["conversation_id"] = id });

    public void SessionShared(string url) =>
        Write($"Sharing session at: {url}", new JsonObject { ["type"] = "system", ["event_type"] = "shared_session_established", ["join_url"] = url });

    public void Say(string text) => Write(text, new JsonObject { ["type"] = "agent", ["text"] = text });

    public void PullRequest(string url, string branch) => Write(
        $"Created PR: {url} (branch: {branch})",
        new JsonObject { ["type"] = "artifact_created", ["artifact_type"] = "pull_request", ["url"] = url, ["branch"] = branch });

    public void FileArtifact(string path, string id) => Write(
        $"File artifact uploaded: {path} (artifact: {id})",
        new JsonObject
        {
            ["type"] = "artifact_created",
            ["artifact_type"] = "file",
            ["artifact_uid"] = id,
            ["filepath"] = path,
            ["filename"] = Path.GetFileName(path),
            ["mime_type"] = "application/octet-stream",
            ["description"] = null,
            ["size_bytes"] = File.Exists(path) ? new FileInfo(path).Length : 0,
        });

    public void CommandCalled(string command) => Write(
        $"> {command}",
        new JsonObject { ["type"] = "tool_call", ["tool"] = "run_command", ["command"] = command });

    public void CommandDone(int exitCode, string output) => Write(
        output,
        new JsonObject { ["type"] = "tool_result", ["tool"] = "run_command", ["status"] = "complete", ["exit_code"] = exitCode, ["output"] = output });

    public void Raw(ReadOnlySpan<byte> bytes) => _out.Write(bytes);

    public void Error(string text) => _error.Write(Encoding.UTF8.GetBytes(text));

    private void Write(string text, JsonObject line) => Raw(Encoding.UTF8.GetBytes((json ? line.ToJsonString(Relaxed) : text) + "\n"));
}
