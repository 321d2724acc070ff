using System.Text.RegularExpressions;

namespace OzFunctions.Http.Tests.Pages;

public sealed partial class PageTests
{
    private readonly DoorRig _rig = new();

    [Theory]
    [InlineData("/", "text/html; charset=utf-8")]
    [InlineData("/page.css", "text/css; charset=utf-8")]
    [InlineData("/page.js", "text/javascript; charset=utf-8")]
    public async Task The_status_page_is_static_and_runs_only_its_own_files(string path, string type)
    {
        var answer = (await _rig.GetAsync(path, key: null)).Is(200);

        Assert.Equal(type, answer.Headers.ContentType);
        var policy = answer.Headers.ContentSecurityPolicy.ToString();
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_in_it_needs_what_its_policy_forbids_and_nothing_of_a_run_becomes_markup()
    {
        var page = (await _rig.GetAsync("/", key: null)).Text;
        var script = (await _rig.GetAsync("/page.js", key: null)).Text;

        Assert.DoesNotMatch(Inline(), page);
        Assert.DoesNotMatch(Markup(), script);
    }

    [Fact]
    public async Task It_works_below_a_path_and_does_not_say_that_there_are_no_runs_while_there_may_be_more()
    {
        var page = (await _rig.GetAsync("/", key: null)).Text;
        var script = (await _rig.GetAsync("/page.js", key: null)).Text;

        Assert.DoesNotMatch(Rooted(), page);
        Assert.Contains("new URL('api/v1', document.baseURI)", script, StringComparison.Ordinal);
        Assert.Contains("page.page_info.has_next_page ? 'None among", script, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_from_elsewhere_leads_to_the_page_but_no_foreign_page_calls_it()
    {
        (await _rig.SendAsync("GET", "/", key: null, change: request => request.Headers["Sec-Fetch-Site"] = "cross-site")).Is(200);
        (await _rig.SendAsync("GET", "/", key: null, change: request => request.Headers.Origin = "https://evil.example")).Is(403);
        (await _rig.SendAsync("GET", "/", key: null, change: request => request.Headers.Host = "evil.example")).Is(403);
        (await _rig.GetAsync("/nothing", key: null)).Is(404);
    }

    [GeneratedRegex(@"<script>|<style|\son[a-z]+=|\sstyle=|javascript:", RegexOptions.IgnoreCase)]
    private static partial Regex Inline();

    [GeneratedRegex("(href|src)=\"/")]
    private static partial Regex Rooted();

    [GeneratedRegex(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")]
    private static partial Regex Markup();
}
