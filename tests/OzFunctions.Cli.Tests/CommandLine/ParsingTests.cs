using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Tests.CommandLine;

public sealed class ParsingTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Theory]
    [InlineData("ozf: unknown command 'rnu'; did you mean 'run'?", "rnu")]
    [InlineData("ozf: unknown command 'lst'; did you mean 'list'?", "runs", "lst")]
    [InlineData("ozf: unknown flag '--promt'; did you mean '--prompt'?", "run", "--promt", "x")]
    [InlineData("ozf: unknown flag '--frobnicate'.", "run", "-p", "x", "--frobnicate")]
    [InlineData("ozf: Required argument missing for option: '-p'.", "run", "-p")]
    [InlineData("ozf: Required command was not provided.", "runs")]
    [InlineData("ozf: Required argument 'run-id' missing", "runs", "get")]
    [InlineData("ozf: Option '--file' is required.", "queue", "send")]
    [InlineData("ozf: Cannot parse argument 'many' for option '--limit': a whole number is expected.", "events", "--limit", "many")]
    [InlineData("ozf: --limit: 'many': a number from 1 to 1000 is expected.", "runs", "list", "--limit", "many")]
    public async Task A_slip_is_answered_with_a_sentence_and_64(string sentence, params string[] args)
    {
        var answer = (await _ozf.RunAsync(args)).Ends(ExitCodes.Usage);

        Assert.Equal("", answer.Output);
        Assert.StartsWith(sentence, answer.Error, StringComparison.Ordinal);
        Assert.Contains("--help'.", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_outside_a_choice_names_the_choices_on_one_line()
    {
        var answer = (await _ozf.RunAsync("runs", "list", "--output", "xml")).Ends(ExitCodes.Usage);

        Assert.Equal("ozf: Argument 'xml' not recognized. Must be one of: 'text' 'json'", answer.Error.Split('\n')[0]);
    }

    [Theory]
    [InlineData]
    [InlineData("--help")]
    [InlineData("run", "--help")]
    [InlineData("worker", "-h")]
    public async Task Help_is_data_and_no_failure(params string[] args)
    {
        var answer = (await _ozf.RunAsync(args)).Ends(ExitCodes.Success);

        Assert.Contains("Usage:", answer.Output, StringComparison.Ordinal);
        Assert.Equal("", answer.Error);
    }

    [Fact]
    public async Task The_version_is_told_both_ways()
    {
        var command = await _ozf.RunAsync("version");
        var flag = await _ozf.RunAsync("--version");

        Assert.Matches(@"^ozf \d+\.\d+\.\d+\n$", command.Output);
        Assert.Equal(command.Output, flag.Output);
        Assert.Equal(command.Line["ozf ".Length..], (await _ozf.RunAsync("version", "--output", "json")).Json.GetProperty("version").GetString());
    }

    [Theory]
    [InlineData("--storage", "DefaultEndpointsProtocol=https;AccountKey=c2VjcmV0")]
    [InlineData]
    public async Task A_storage_setting_that_is_none_is_refused_without_repeating_its_secret(params string[] flags)
    {
        if (flags.Length == 0)
        {
            _ozf.Environment["OZF_STORAGE"] = "DefaultEndpointsProtocol=https;AccountKey=c2VjcmV0";
        }

        var answer = (await _ozf.RunAsync(["runs", "list", .. flags])).Ends(ExitCodes.Usage);

        Assert.Contains(flags.Length == 0 ? "OZF_STORAGE: it is not a connection string" : "--storage: it is not a connection string", answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_cannot_be_had_is_69()
    {
        File.WriteAllText(_ozf.Data, "in the way");

        var answer = (await _ozf.RunAsync("runs", "list")).Ends(ExitCodes.Unavailable);

        Assert.StartsWith("ozf: ", answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_lies_where_XDG_says_when_nobody_else_does()
    {
        _ozf.Environment.Remove("OZF_DATA");
        _ozf.Environment["XDG_STATE_HOME"] = Path.Combine(_ozf.Place, "state");

        (await _ozf.RunAsync("run", "-p", "x")).Ends(ExitCodes.Success);

        Assert.True(File.Exists(Path.Combine(_ozf.Place, "state", "ozf", "store.json")));
    }

    [Fact]
    public async Task Data_inside_a_git_work_tree_keeps_itself_out_of_commits()
    {
        Directory.CreateDirectory(Path.Combine(_ozf.Place, ".git"));

        (await _ozf.RunAsync("runs", "list", "--data", "below")).Ends(ExitCodes.Success);

        Assert.Equal("*", File.ReadAllText(Path.Combine(_ozf.Place, "below", ".gitignore")).Trim());
    }
}
