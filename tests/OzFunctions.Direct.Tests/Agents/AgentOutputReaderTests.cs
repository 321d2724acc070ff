using System.Text;
using System.Text.RegularExpressions;
using OzFunctions.Direct.Agents;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Agents;

public sealed class AgentOutputReaderTests
{
    [Fact]
    public void Json_tells_run_session_and_pull_requests()
    {
        var report = Read(
            """{"type":"system","event_type":"run_started","run_id":"r-1","run_url":"https://oz.example/runs/r-1"}""",
            """{"type":"system","event_type":"conversation_started","conversation_id":"c-1"}""",
            """{"type":"system","event_type":"shared_session_established","join_url":"https://app.example/session/s-1"}""",
            """{"type":"artifact_created","artifact_type":"pull_request","url":"https://git.example/pr/1","branch":"fix"}""",
            """{"type":"artifact_created","artifact_type":"pull_request","url":"https://git.example/pr/1","branch":"fix"}""",
            """{"type":"artifact_created","artifact_type":"file","filepath":"x"}""");

        Assert.Equal(("r-1", "https://oz.example/runs/r-1", "c-1", "https://app.example/session/s-1"), (report.OzRunId, report.OzRunUrl, report.ConversationId, report.SessionUrl));
        Assert.Equal([new PullRequest("https://git.example/pr/1", "fix")], report.PullRequests);
    }

    [Fact]
    public void Text_tells_the_same()
    {
        var report = Read(
            "Run ID: r-2",
            "\u001b[1mOpen in Oz: https://oz.example/runs/r-2\u001b[0m",
            "New conversation started with debug ID: c-2",
            "Sharing session at: https://app.example/session/s-2\u001b[",
            "Created PR: https://git.example/pr/2 (branch: oz/fix)",
            "Created PR: https://git.example/pr/3");

        Assert.Equal(("r-2", "https://oz.example/runs/r-2", "c-2", "https://app.example/session/s-2"), (report.OzRunId, report.OzRunUrl, report.ConversationId, report.SessionUrl));
        Assert.Equal([new PullRequest("https://git.example/pr/2", "oz/fix"), new PullRequest("https://git.example/pr/3", null)], report.PullRequests);
    }

    [Fact]
    public void The_first_run_id_counts() => Assert.Equal("first", Read("Run ID: first", "Run ID: second").OzRunId);

    [Fact]
    public void Only_web_addresses_are_links()
    {
        var report = Read("Sharing session at: javascript:alert(1)", "Created PR: file:///etc/passwd (branch: x)");

        Assert.Null(report.SessionUrl);
        Assert.Empty(report.PullRequests);
    }

    [Fact]
    public void A_blocked_agent_says_on_what() =>
        Assert.Equal("run rm -rf", Read(SpoolStream.AgentErr, "Error: The agent got stuck waiting for user confirmation on the action: run rm -rf").BlockedOn);

    [Theory]
    [InlineData("""{"type":"result","subtype":"success","is_error":false}""", true)]
    [InlineData("""{"type":"result","subtype":"error_max_turns","is_error":true}""", false)]
    [InlineData("""{"type":"result","subtype":"error_during_execution"}""", false)]
    public void Claudes_final_line_has_a_verdict(string line, bool succeeded)
    {
        var reader = new AgentOutputReader("claude", null);

        reader.OnLine(SpoolStream.AgentOut, Encoding.UTF8.GetBytes(line));

        Assert.True(reader.Finished.IsCompleted);
        Assert.Equal(succeeded, reader.Report.Final!.Succeeded);
    }

    [Fact]
    public void Another_harness_has_no_final_line()
    {
        var reader = new AgentOutputReader(null, null);

        reader.OnLine(SpoolStream.AgentOut, """{"type":"result","subtype":"success"}"""u8);

        Assert.False(reader.Finished.IsCompleted);
    }

    [Fact]
    public void A_configured_pattern_finds_a_final_line()
    {
        var reader = new AgentOutputReader(null, new Regex("^(DONE|(?<failed>GAVE UP))$"));

        reader.OnLine(SpoolStream.AgentErr, "DONE"u8);
        Assert.False(reader.Finished.IsCompleted);
        reader.OnLine(SpoolStream.AgentOut, "GAVE UP"u8);

        Assert.False(reader.Report.Final!.Succeeded);
    }

    [Fact]
    public void Strange_lines_change_nothing()
    {
        var reader = new AgentOutputReader("claude", null);
        byte[][] lines =
        [
            [],
            [0xFF, 0xFE, (byte)'{', (byte)'}'],
            [(byte)'{', 0xC3, .. "\"type\":\"system\"}"u8],
            [.. "{\"type\":\"system\",\"event_type\":\"run_started\",\"run_id\":5}"u8],
            [.. "{\"type\":\"system\",\"event_type\":\"run_st"u8],
            [.. "{\"type\":[\"system\"]}"u8],
            [.. "\u001b[31"u8],
            [.. "{\"type\":\"result\""u8, .. new byte[2 << 20]],
            Encoding.UTF8.GetBytes(new string('x', 3 << 20)),
        ];
        foreach (var line in lines)
        {
            reader.OnLine(SpoolStream.AgentOut, line);
        }

        reader.OnLine(SpoolStream.SetupOut, "Run ID: from-setup"u8);

        Assert.Equivalent(new AgentReport(), reader.Report);
    }

    private static AgentReport Read(params string[] lines) => Read(SpoolStream.AgentOut, lines);

    private static AgentReport Read(SpoolStream stream, params string[] lines)
    {
        var reader = new AgentOutputReader(null, null);
        foreach (var line in lines)
        {
            reader.OnLine(stream, Encoding.UTF8.GetBytes(line));
        }

        return reader.Report;
    }
}
