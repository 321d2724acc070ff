using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Screens;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Tests.Screens;

public sealed class ScreenTests
{
    [Fact]
    public void A_table_fits_the_terminal_and_cuts_only_its_last_column()
    {
        var output = new StringWriter();
        var table = new Table("ID", "TITLE");
        table.Add("0123456789", new string('x', 100));
        table.Add("01", "日本語のタイトルは幅が広い");

        table.Write(Screen(output, terminal: true, width: 30));

        Assert.All(output.ToString().TrimEnd('\n').Split('\n'), line => Assert.InRange(TextWidth.Of(Plain(line)), 0, 30));
        Assert.Contains("0123456789  xxxxxxxxxxxxxxxxx…", Plain(output.ToString()), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_terminal_nothing_is_cut_and_nothing_is_coloured()
    {
        var output = new StringWriter();
        var table = new Table("ID", "TITLE");
        table.Add(new("01", Style.Good), new string('x', 100));

        table.Write(Screen(output, terminal: false, width: int.MaxValue));

        Assert.Equal($"ID  TITLE\n01  {new string('x', 100)}\n", output.ToString());
    }

    [Theory]
    [InlineData("NO_COLOR", "1")]
    [InlineData("TERM", "dumb")]
    public void Colours_go_where_they_are_not_wanted(string name, string value)
    {
        var screen = new Screen(Around(TextWriter.Null, terminal: true, 80) with { Environment = new Dictionary<string, string> { [name] = value } }, json: false);

        Assert.Equal("x", screen.Paint("x", Style.Bad));
    }

    [Fact]
    public void Wrapped_lines_are_never_wider_than_asked() =>
        Assert.Equal(["one two", "three", "abcdefghij", "klm"], TextWidth.Wrap("one two three abcdefghijklm", 10));

    [Theory]
    [InlineData(0, "now")]
    [InlineData(-30, "30s ago")]
    [InlineData(-600, "10m ago")]
    [InlineData(-7200, "2h ago")]
    [InlineData(-864_000, "10d ago")]
    [InlineData(300, "in 5m")]
    public void Times_are_told_from_now(int seconds, string text)
    {
        var now = DateTimeOffset.UnixEpoch.AddYears(50);

        Assert.Equal(text, PlainText.Relative(now.AddSeconds(seconds), now));
    }

    [Fact]
    public void Control_characters_of_others_never_reach_a_terminal() => Assert.Equal("a\uFFFD[2Jb c", PlainText.OneLine("a\u001b[2Jb\nc"));

    [Theory]
    [InlineData(RunState.Succeeded, RunReason.Completed, 0, null, 0)]
    [InlineData(RunState.Failed, RunReason.AgentInvocation, 7, null, 7)]
    [InlineData(RunState.Failed, RunReason.AgentInvocation, null, "SIGKILL", 137)]
    [InlineData(RunState.Failed, RunReason.AgentInvocation, null, "SIGTERM", 143)]
    [InlineData(RunState.Failed, RunReason.AgentInvocation, 0, null, 1)]
    [InlineData(RunState.Failed, RunReason.TaskTimeout, 9, null, 1)]
    [InlineData(RunState.Failed, RunReason.SetupCommand, null, null, 1)]
    [InlineData(RunState.Blocked, RunReason.AgentBlocked, 1, null, 1)]
    [InlineData(RunState.Error, RunReason.HostLost, null, null, 70)]
    [InlineData(RunState.Cancelled, RunReason.TaskCancelled, 0, null, 130)]
    public void A_run_ends_with_the_exit_code_of_its_end(RunState state, RunReason reason, int? exitCode, string? signal, int expected)
    {
        var time = DateTimeOffset.UnixEpoch;
        var run = new RunRecord
        {
            RunId = RunId.Create(TimeProvider.System),
            State = state,
            Reason = reason,
            CreatedAt = time,
            UpdatedAt = time,
            WorkerId = "w",
            Request = new RunRequest { Prompt = "x" },
            Trigger = new() { Kind = TriggerKind.Cli },
            Attempt = 1,
            Attempts = [new() { Attempt = 1, HostId = "h", ExitCode = exitCode, Signal = signal }],
        };

        Assert.Equal(expected, RunExit.CodeOf(run));
    }

    [Fact]
    public void The_hosts_own_log_holds_no_secret_in_either_format()
    {
        foreach (var format in Enum.GetValues<LogFormat>())
        {
            var error = new StringWriter();
            var loggers = new LineLoggers(Around(TextWriter.Null, terminal: false, 80) with { Error = error }, LogLevel.Information, format, new LineMask(["s3cr\"et-value", "x"]).Apply);

            loggers.CreateLogger("c").LogWarning(new IOException("also s3cr\"et-value"), "RunId {RunId} said {Text}", "r-1", "s3cr\"et-value");
            loggers.CreateLogger("c").LogDebug("not wanted");

            var line = Assert.Single(error.ToString().TrimEnd('\n').Split('\n'));
            Assert.DoesNotContain("et-value", line, StringComparison.Ordinal);
            Assert.Contains("r-1", line, StringComparison.Ordinal);
            if (format == LogFormat.Json)
            {
                var json = System.Text.Json.JsonDocument.Parse(line).RootElement;
                Assert.Equal(("warn", "r-1"), (json.GetProperty("level").GetString(), json.GetProperty("run_id").GetString()));
            }
        }
    }

    private static Screen Screen(TextWriter output, bool terminal, int width) => new(Around(output, terminal, width), json: false);

    private static Surroundings Around(TextWriter output, bool terminal, int width) => new()
    {
        Out = output,
        Error = TextWriter.Null,
        In = () => Stream.Null,
        Environment = new Dictionary<string, string>(),
        Directory = "/",
        OutIsTerminal = terminal,
        Width = width,
    };

    private static string Plain(string text) => System.Text.RegularExpressions.Regex.Replace(text, "\u001b\\[[0-9]*m", "");
}
