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

    [Theory(Timeout = 300_000)]
    [InlineData("[]", 2)]
    [InlineData("""[{"body":"old <!-- r1:1:completed -->"}]""", 1)]
    public async Task A_pull_request_gets_one_comment_however_often_the_event_comes(string there, int calls)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/jq") || File.Exists("/usr/local/bin/jq"), "jq is not installed here");
        using var place = new TempDirectory();
        var curl = place["curl"];
        await File.WriteAllTextAsync(
            curl,
            $$"""
            #!/bin/sh
            n=$(ls "$CALLS" | wc -l)
            { printf '%s\n' "$@"; echo --; cat; } > "$CALLS/$n"
            for argument; do case "$argument" in @-) ;; @*) cat "${argument#@}" > "$CALLS/../body" ;; esac; done
            echo '{{there}}'
            """,
            Cancellation);
        File.SetUnixFileMode(curl, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await File.WriteAllTextAsync(place["event"], Event, Cancellation);

        var (exitCode, _, errors) = await TestProcess.RunAsync(
            "/bin/sh",
            ["-c", $"{Path.Combine(Root(), "samples", "events", "comment-on-pull-request.sh")} < {place["event"]}"],
            Cancellation,
            new Dictionary<string, string?> { ["PATH"] = place.Path + ":" + Environment.GetEnvironmentVariable("PATH"), ["CALLS"] = place.Create("calls"), ["GITHUB_TOKEN"] = "ghp_secret", ["TMPDIR"] = place.Create("tmp") });

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
        if (calls == 2)
        {
            var body = await File.ReadAllTextAsync(place["body"], Cancellation);
            Assert.Contains("**Fix it**: SUCCEEDED (3 files)", body, StringComparison.Ordinal);
            Assert.Contains("<!-- r1:1:completed -->", body, StringComparison.Ordinal);
        }
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
