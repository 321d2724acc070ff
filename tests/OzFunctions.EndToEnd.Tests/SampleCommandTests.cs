using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>The example command of docs/events.md, with a curl of the test's own in front of it.</summary>
public sealed class SampleCommandTests
{
    private const string Event = """
        {"specversion":"1.0","id":"r1:1:completed","data":{"state":"SUCCEEDED","title":"Fix it","message":"3 files","log":{"url":"https://runs.example.com/log","lines":9},
        "pull_requests":[{"url":"https://github.com/acme/shop/pull/12","branch":"fix"},{"url":"https://example.com/none"}]}}
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private const string Another = """[{"body":"another"},{"body":null}]""";
    private const string Third = """[{"body":"a third"}]""";
    private const string Ours = """[{"body":"another"},{"body":"old <!-- r1:1:completed -->"}]""";

    [Theory(Timeout = 300_000)]
    [InlineData(2, true, "[]")]
    [InlineData(1, false, Ours)]
    [InlineData(3, true, Another, "[]")]
    [InlineData(3, true, Another, Another)]
    [InlineData(3, false, Another, Third, Ours)]
    public async Task A_pull_request_gets_one_comment_however_often_the_event_comes_and_however_many_it_has(int calls, bool comments, params string[] pages)
    {
        using var place = new TempDirectory();
        var (exitCode, errors) = await RunAsync(place, """cat "$CALLS/../pages/$page" """, pages);

        Assert.True(exitCode == 0, errors);
        var made = Directory.GetFiles(place["calls"]).Order().Select(File.ReadAllText).ToArray();
        Assert.Equal(calls, made.Length);
        Assert.All(made, call =>
        {
            Assert.Contains("https://api.github.com/repos/acme/shop/issues/12/comments", call, StringComparison.Ordinal);
            Assert.DoesNotContain("ghp_secret", call.Split("--\n")[0], StringComparison.Ordinal);
            Assert.Contains("Authorization: Bearer ghp_secret", call, StringComparison.Ordinal);
        });
        Assert.Empty(Directory.GetFiles(place["tmp"]));
        Assert.Equal(comments, File.Exists(place["body"]));
        if (comments)
        {
            var body = await File.ReadAllTextAsync(place["body"], Cancellation);
            Assert.Contains("**Fix it**: SUCCEEDED (3 files)", body, StringComparison.Ordinal);
            Assert.Contains("<!-- r1:1:completed -->", body, StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = 300_000)]
    [InlineData("exit 22")]
    [InlineData("exit 0")]
    [InlineData("echo '<html>'")]
    [InlineData("""[ "$page" = 2 ] && exit 22; cat "$CALLS/../pages/1" """)]
    public async Task Where_the_comments_cannot_be_read_none_is_made_and_the_event_comes_again(string answers)
    {
        using var place = new TempDirectory();
        var (exitCode, _) = await RunAsync(place, answers, Another);

        Assert.NotEqual(0, exitCode);
        Assert.False(File.Exists(place["body"]));
        Assert.Empty(Directory.GetFiles(place["tmp"]));
    }

    /// <param name="place">Gets what the calls were, and the body of the comment that was made.</param>
    /// <param name="answers">How a page of comments is answered, in shell.</param>
    /// <param name="pages">Files that the answer may come from.</param>
    private static async Task<(int ExitCode, string Errors)> RunAsync(TempDirectory place, string answers, params string[] pages)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/jq") || File.Exists("/usr/local/bin/jq"), "jq is not installed here");
        var kept = place.Create("pages");
        for (var page = 0; page < pages.Length; page++)
        {
            await File.WriteAllTextAsync(Path.Combine(kept, $"{page + 1}"), pages[page], Cancellation);
        }

        var curl = place["curl"];
        await File.WriteAllTextAsync(
            curl,
            $$"""
            #!/bin/sh
            n=$(ls "$CALLS" | wc -l)
            { printf '%s\n' "$@"; echo --; cat; } > "$CALLS/$n"
            page=
            for argument; do case "$argument" in @-) ;; @*) cat "${argument#@}" > "$CALLS/../body" ;; *"&page="*) page=${argument##*&page=} ;; esac; done
            [ -n "$page" ] || exit 0
            {{answers}}
            """,
            Cancellation);
        File.SetUnixFileMode(curl, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await File.WriteAllTextAsync(place["event"], Event, Cancellation);
        var (exitCode, _, errors) = await TestProcess.RunAsync(
            "/bin/sh",
            ["-c", $"{Path.Combine(Root(), "samples", "events", "comment-on-pull-request.sh")} < {place["event"]}"],
            Cancellation,
            new Dictionary<string, string?> { ["PATH"] = place.Path + ":" + Environment.GetEnvironmentVariable("PATH"), ["CALLS"] = place.Create("calls"), ["GITHUB_TOKEN"] = "ghp_secret", ["TMPDIR"] = place.Create("tmp") });
        return (exitCode, errors);
    }

    private static string Root()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "OzFunctions.sln")))
        {
            at = at.Parent!;
        }

        return at.FullName;
    }
}
