using OzFunctions.Logs;

namespace OzFunctions.Core.Tests.Logs;

public sealed class LogTextTests
{
    [Theory]
    [InlineData("""{"type":"system","event_type":"run_started","run_id":"r1","run_url":"https://oz/runs/r1"}""", "Run ID: r1\nOpen in Oz: https://oz/runs/r1")]
    [InlineData("""{"type":"system","event_type":"conversation_started","conversation_id":"c1"}""", "New conversation started with debug ID: c1")]
    [InlineData("""{"type":"system","event_type":"shared_session_established","join_url":"https://s"}""", "Sharing session at: https://s")]
    [InlineData("""{"type":"agent","text":"I will\nlook.\n"}""", "I will\nlook.")]
    [InlineData("""{"type":"agent_reasoning","text":"hm"}""", "hm")]
    [InlineData("""{"type":"update_todos","todo_list":[{"title":"one","description":"d"},{"title":"two"}]}""", "[ ] one\n[ ] two")]
    [InlineData("""{"type":"complete_todos","completed_todos":["one",{"title":"two"}]}""", "[x] one\n[x] two")]
    [InlineData("""{"type":"num_comments_addressed","addressed_comments":3}""", "Comments addressed: 3")]
    [InlineData("""{"type":"Subagent","task_id":"t"}""", "Subagent: t")]
    [InlineData("""{"type":"SkillInvoked","name":"s"}""", "Skill: s")]
    [InlineData("""{"type":"tool_call","tool":"run_command","command":"make\ntest"}""", "> run_command: make test")]
    [InlineData("""{"type":"tool_call","tool":"read_files","files":["a.cs",{"path":"b.cs"}]}""", "> read_files: a.cs, b.cs")]
    [InlineData("""{"type":"tool_call","tool":"edit_files","title":"Fix it","file_paths":["a"]}""", "> edit_files: Fix it")]
    [InlineData("""{"type":"tool_call","tool":"write_to_command"}""", "> write_to_command")]
    [InlineData("""{"type":"tool_call","tool":"tool_of_tomorrow","x":1}""", "> tool_of_tomorrow")]
    [InlineData("""{"type":"tool_result","tool":"run_command","status":"complete","exit_code":2,"output":"long"}""", "< run_command: exit 2")]
    [InlineData("""{"type":"tool_result","tool":"grep","files":["a","b"]}""", "< grep: 2 files")]
    [InlineData("""{"type":"tool_canceled","tool":"grep"}""", "< grep was cancelled")]
    [InlineData("""{"type":"tool_error","tool":"grep","error":"no such path"}""", "< grep failed: no such path")]
    [InlineData("""{"type":"artifact_created","artifact_type":"pull_request","url":"https://pr/1","branch":"b"}""", "Created PR: https://pr/1 (branch: b)")]
    [InlineData("""{"type":"artifact_created","artifact_type":"screenshot","artifact_uid":"u"}""", "Screenshot captured (artifact: u)")]
    [InlineData("""{"type":"artifact_created","artifact_type":"file","filepath":"a/b","artifact_uid":"u"}""", "File artifact uploaded: a/b (artifact: u)")]
    [InlineData("""{"type":"artifact_created","artifact_type":"plan","document_id":"d","title":"t"}""", "Created plan (title: t, id: d)")]
    [InlineData("""{"type":"result","subtype":"success"}""", """{"type":"result","subtype":"success"}""")]
    [InlineData("""{"type":"system","event_type":"of tomorrow"}""", """{"type":"system","event_type":"of tomorrow"}""")]
    [InlineData("""{"level":"info"}""", """{"level":"info"}""")]
    [InlineData("""{"type":3}""", """{"type":3}""")]
    [InlineData("""{"type":"agent",""", """{"type":"agent",""")]
    [InlineData("plain text", "plain text")]
    public void The_agents_lines_have_this_text(string line, string text) => Assert.Equal(text, new LogText(color: false).Add(Line("out", line)));

    [Fact]
    public void What_is_not_the_agents_has_a_prefix()
    {
        var text = new LogText(color: false);

        Assert.Equal("[setup] npm ci", text.Add(Line("setup", "npm ci")));
        Assert.Equal("[host] Agent starts", text.Add(Line("host", "Agent starts")));
        Assert.Equal("[teardown] bye", text.Add(Line("teardown", "bye")));
        Assert.Equal("Error: no", text.Add(Line("err", "Error: no")));
        Assert.Equal("""[setup] {"type":"agent","text":"x"}""", text.Add(Line("setup", """{"type":"agent","text":"x"}""")));
        Assert.Equal("[host] … 12 lines (345 bytes) are left out here …", text.Add(Line("host", "") with { Cut = new LogCut(12, 345) }));
    }

    [Fact]
    public void Reasoning_and_results_are_dimmed_and_nothing_escapes()
    {
        var text = new LogText(color: true);

        Assert.Equal("\u001b[2mhm ^[[2J\u001b[0m", text.Add(Line("out", """{"type":"agent_reasoning","text":"hm \u001b[2J"}""")));
        Assert.Equal("^[]0;x^G", text.Add(Line("out", """{"type":"agent","text":"\u001b]0;x\u0007"}""")));
        Assert.Equal("\u001b[36m[setup]\u001b[0m \u001b[31mred\u001b[0m", text.Add(Line("setup", "\u001b[31mred")));
    }

    [Fact]
    public void Parts_of_a_long_line_are_one_line_again()
    {
        var text = new LogText(color: false);

        Assert.Null(text.Add(Line("out", """{"type":"ag""") with { IsContinued = true }));
        Assert.Equal("between", text.Add(Line("err", "between")));
        Assert.Null(text.Add(Line("out", """ent","te""") with { IsContinued = true }));
        Assert.Equal("hello", text.Add(Line("out", """xt":"hello"}""")));
        Assert.Null(text.Add(Line("out", "rest") with { IsContinued = true }));
        Assert.Equal("rest", text.End());
        Assert.Null(text.End());
    }

    private static LogLine Line(string source, string text) => new() { Attempt = 1, N = 1, Source = source, Text = text };
}
