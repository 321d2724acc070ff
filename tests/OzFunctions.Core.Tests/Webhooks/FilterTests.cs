using System.Text.Json;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Schemes;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Core.Tests.Webhooks;

/// <summary>Who and what may start a run.</summary>
public sealed class FilterTests
{
    [Theory]
    [InlineData("OWNER", true)]
    [InlineData("MEMBER", true)]
    [InlineData("COLLABORATOR", true)]
    [InlineData("CONTRIBUTOR", false)]
    [InlineData("FIRST_TIME_CONTRIBUTOR", false)]
    [InlineData("NONE", false)]
    [InlineData(null, false)]
    public void GitHub_comments_of_outsiders_start_nothing(string? association, bool starts) =>
        Assert.Equal(starts, GitHub("issue_comment", Comment(association: association)) is null);

    [Fact]
    public void It_is_the_author_of_the_text_who_must_belong_not_the_author_of_the_issue_around_it()
    {
        Assert.Null(GitHub("issue_comment", """{"action":"created","comment":{"author_association":"MEMBER","user":{"login":"ann"}},"issue":{"author_association":"NONE"},"sender":{"login":"ann"}}"""));
        Assert.NotNull(GitHub("issue_comment", """{"action":"created","comment":{"author_association":"NONE","user":{"login":"eve"}},"issue":{"author_association":"OWNER"},"sender":{"login":"eve"}}"""));
        Assert.NotNull(GitHub("issues", """{"action":"labeled","issue":{"author_association":"NONE","user":{"login":"eve"}},"sender":{"login":"ann"}}"""));
    }

    [Fact]
    public void Outsiders_are_let_in_by_association_by_name_or_all_of_them()
    {
        var comment = Comment("eve", "CONTRIBUTOR");
        Assert.Null(GitHub("issue_comment", comment, new() { Associations = ["CONTRIBUTOR"] }));
        Assert.Null(GitHub("issue_comment", comment, new() { Senders = ["Eve"] }));
        Assert.Null(GitHub("issue_comment", comment, new() { Outsiders = true }));
    }

    [Fact]
    public void Events_that_say_nothing_about_membership_pass_when_only_writers_set_them_off()
    {
        const string payload = """{"ref":"refs/heads/main","sender":{"login":"ann","type":"User"}}""";
        Assert.Null(GitHub("push", payload));
        Assert.NotNull(GitHub("watch", payload));
        Assert.Null(GitHub("watch", payload, new() { Senders = ["ann"] }));
        Assert.NotNull(GitHub("ping", payload, new() { Outsiders = true }));
    }

    [Theory]
    [InlineData("""{"login":"dependabot[bot]","type":"Bot"}""")]
    [InlineData("""{"login":"dependabot[bot]","type":"User"}""")]
    [InlineData("""{"login":"dependabot","type":"Bot"}""")]
    public void GitHub_bots_start_nothing_unless_they_are_listed(string sender)
    {
        var payload = $$"""{"action":"opened","pull_request":{"author_association":"MEMBER","user":{{sender}}},"sender":{{sender}}}""";
        Assert.Contains("is a bot", GitHub("pull_request", payload), StringComparison.Ordinal);
        Assert.Contains("is a bot", GitHub("pull_request", payload, new() { Outsiders = true, Senders = ["dependabot[bot]", "dependabot"] }), StringComparison.Ordinal);
        Assert.Null(GitHub("pull_request", payload, new() { Bots = ["dependabot[bot]", "dependabot"], Senders = ["ann"] }));
    }

    [Fact]
    public void Events_actions_and_labels_are_lists_of_what_passes()
    {
        const string labeled = """{"action":"labeled","label":{"name":"OZ"},"issue":{"labels":[{"name":"bug"},{"name":"oz"}],"author_association":"OWNER"},"sender":{"login":"ann"}}""";
        Assert.Null(GitHub("issues", labeled, new() { Events = ["issues"], Actions = ["labeled"], Labels = ["oz"] }));
        Assert.Null(GitHub("issues", labeled, new() { Events = ["issues.labeled"] }));
        Assert.Equal("event 'issues' is not one of events", GitHub("issues", labeled, new() { Events = ["issues.opened", "push"] }));
        Assert.Equal("action 'labeled' is not one of actions", GitHub("issues", labeled, new() { Actions = ["opened"] }));
        Assert.Equal("label 'OZ' is not one of labels", GitHub("issues", labeled, new() { Labels = ["bug"] }));
        var opened = labeled.Replace("\"label\":{\"name\":\"OZ\"},", "", StringComparison.Ordinal);
        Assert.Null(GitHub("issues", opened, new() { Labels = ["bug"] }));
    }

    [Fact]
    public void Senders_are_an_allow_list()
    {
        Assert.Null(GitHub("issue_comment", Comment("Ann"), new() { Senders = ["ann"] }));
        Assert.Equal("sender 'bob' is not one of senders", GitHub("issue_comment", Comment("bob"), new() { Senders = ["ann"] }));
        Assert.Equal("sender (none) is not one of senders", GitHub("push", "{}", new() { Senders = ["ann"] }));
    }

    [Fact]
    public void Required_where_and_contains_look_into_the_payload()
    {
        const string payload = """{"a":{"b":"x","n":5,"list":["p","q"],"empty":""}}""";
        Assert.Null(Any(payload, new() { Required = [PayloadPath.Parse("a.b"), PayloadPath.Parse("a.list[1]")] }));
        Assert.Equal("a.c is missing", Any(payload, new() { Required = [PayloadPath.Parse("a.c")] }));
        Assert.Equal("a.empty is missing", Any(payload, new() { Required = [PayloadPath.Parse("a.empty")] }));
        Assert.Null(Any(payload, new() { Where = [Rule("a.b", "x", "y"), Rule("a.n", "5"), Rule("a.list", "q")] }));
        Assert.Equal("a.b is 'x', not y or z", Any(payload, new() { Where = [Rule("a.b", "y", "z")] }));
        Assert.Equal("a.gone is (none), not y", Any(payload, new() { Where = [Rule("a.gone", "y")] }));
    }

    [Theory]
    [InlineData("@oz please", true)]
    [InlineData("please, @OZ!", true)]
    [InlineData("line\n@oz", true)]
    [InlineData("@ozzy please", false)]
    [InlineData("@oz-agent please", false)]
    [InlineData("mail@oz.example", false)]
    [InlineData("> @oz please", false)]
    [InlineData("```\n@oz\n```", false)]
    [InlineData("```\ncode\n```\n@oz", true)]
    [InlineData("<!-- @oz -->", false)]
    [InlineData("", false)]
    public void A_word_must_be_said_not_quoted_hidden_or_part_of_another(string text, bool said) =>
        Assert.Equal(said, Any(JsonSerializer.Serialize(new { t = text }), new() { Contains = [Rule("t", "@oz")] }) is null);

    [Fact]
    public void Slack_bots_other_workspaces_and_edits_start_nothing()
    {
        Assert.Null(Slack("""{"team_id":"T1","event":{"type":"app_mention","user":"U1","user_team":"T1","text":"hi"}}"""));
        Assert.Contains("is a bot", Slack("""{"team_id":"T1","event":{"type":"message","user":"U9","bot_id":"B1","text":"hi"}}"""), StringComparison.Ordinal);
        Assert.Contains("is a bot", Slack("""{"team_id":"T1","event":{"type":"message","subtype":"bot_message","text":"hi"}}"""), StringComparison.Ordinal);
        Assert.Null(Slack("""{"team_id":"T1","event":{"type":"message","user":"U9","bot_id":"B1","text":"hi"}}""", new() { Bots = ["B1"] }));
        Assert.Contains("another workspace", Slack("""{"team_id":"T1","event":{"type":"message","user":"U1","user_team":"T2","text":"hi"}}"""), StringComparison.Ordinal);
        Assert.Contains("message_changed", Slack("""{"team_id":"T1","event":{"type":"message","subtype":"message_changed","message":{"text":"hi"}}}"""), StringComparison.Ordinal);
        Assert.Null(Slack("""{"team_id":"T1","event":{"type":"message","user":"U1","subtype":"file_share","text":"hi"}}"""));
        Assert.NotNull(Slack("""{"team_id":"T1","event":{"type":"message","user":"U2"}}""", new() { Senders = ["U1"] }));
    }

    [Fact]
    public void Linear_integrations_and_outsiders_start_nothing()
    {
        Assert.Null(Linear("""{"action":"update","type":"Issue","actor":{"id":"u1","type":"user","email":"ann@example.com"},"data":{"id":"i"}}""", new() { Senders = ["ann@example.com"], Events = ["Issue.update"] }));
        Assert.Contains("is a bot", Linear("""{"action":"update","type":"Issue","actor":{"id":"a1","type":"OauthClient","name":"Bot"},"data":{}}"""), StringComparison.Ordinal);
        Assert.Null(Linear("""{"action":"update","type":"Issue","actor":{"id":"a1","type":"OauthClient","name":"Bot"},"data":{}}""", new() { Bots = ["a1"] }));
        Assert.Contains("is a bot", Linear("""{"action":"create","type":"Comment","data":{"botActor":{"id":"b1","name":"GitHub"}}}"""), StringComparison.Ordinal);
        Assert.Contains("outside", Linear("""{"action":"create","type":"Comment","actor":{"type":"user","id":"u"},"data":{"externalUser":{"id":"x"}}}"""), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ann@example.com")]
    [InlineData("u1")]
    [InlineData("GitHub")]
    public void Nobody_in_Linear_passes_by_naming_himself_like_a_listed_sender_or_bot(string name)
    {
        var payload = JsonSerializer.Serialize(new { action = "update", type = "Issue", actor = new { id = "u2", type = "user", email = "eve@example.com", name }, data = new { id = "i" } });

        Assert.Equal("sender 'eve@example.com' is not one of senders", Linear(payload, new() { Senders = ["ann@example.com", "u1"], Bots = ["GitHub"] }));
        Assert.Null(Linear(payload, new() { Senders = ["EVE@example.com"] }));
        Assert.Null(Linear(payload, new() { Senders = ["u2"] }));
    }

    [Fact]
    public void A_Linear_integration_may_be_listed_by_its_name() =>
        Assert.Null(Linear("""{"action":"create","type":"Comment","data":{"botActor":{"name":"GitHub"}}}""", new() { Bots = ["github"] }));

    [Fact]
    public void The_name_of_a_Linear_user_is_shown_where_there_is_nothing_better() => Assert.Equal(
        "sender 'Ann' is not one of senders", Linear("""{"action":"update","type":"Issue","actor":{"type":"user","name":"Ann"},"data":{}}""", new() { Senders = ["Ann"] }));

    private static string Comment(string login = "ann", string? association = "MEMBER") =>
        JsonSerializer.Serialize(new { action = "created", comment = new { body = "@oz go", user = new { login }, author_association = association }, sender = new { login, type = "User" } });

    private static PathRule Rule(string path, params string[] texts) => new(PayloadPath.Parse(path), texts);

    private static string? GitHub(string eventName, string payload, WebhookFilterOptions? filter = null) => Filter(WebhookKind.GitHub, eventName, payload, filter);

    private static string? Slack(string payload, WebhookFilterOptions? filter = null) => Filter(WebhookKind.Slack, "message", payload, filter);

    private static string? Linear(string payload, WebhookFilterOptions? filter = null) => Filter(WebhookKind.Linear, "Issue", payload, filter);

    private static string? Any(string payload, WebhookFilterOptions filter) => Filter(WebhookKind.Standard, null, payload, filter);

    private static string? Filter(WebhookKind kind, string? eventName, string payload, WebhookFilterOptions? filter)
    {
        using var document = JsonDocument.Parse(payload);
        var message = new WebhookMessage("d", eventName, document.RootElement.Clone());
        var options = WebhookRig.Hook(kind, filter: filter);
        return new WebhookFilter(options.Filter).FindReason(message, WebhookScheme.Create(options).Describe(eventName, message.Payload));
    }
}
