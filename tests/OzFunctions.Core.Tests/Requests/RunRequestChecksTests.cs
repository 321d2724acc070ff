using OzFunctions.Requests;

namespace OzFunctions.Core.Tests.Requests;

public sealed class RunRequestChecksTests
{
    [Fact]
    public void A_request_built_in_code_has_the_same_rules()
    {
        var request = new RunRequest
        {
            Title = "a\nb",
            WorkerId = "warp",
            Timeout = TimeSpan.FromSeconds(-5),
            IdleOnComplete = TimeSpan.FromSeconds(-1),
            Env = new Dictionary<string, RunVariable> { ["MY_TOKEN"] = RunVariable.Plain("x"), ["EMPTY"] = default },
            OnConflict = (ConflictRule)9,
        };

        Assert.Equal(["prompt", "title", "worker_id", "env.MY_TOKEN", "env.EMPTY", "timeout", "idle_on_complete", "on_conflict"], RunRequestChecks.Check(request).Select(fault => fault.Path));
    }

    [Fact]
    public void A_good_request_has_no_fault() => Assert.Empty(RunRequestChecks.Check(new RunRequest { Skill = "s", Share = ["", "a@b:edit"], IdleOnComplete = TimeSpan.Zero }));

    [Fact]
    public void What_stands_there_is_shown_short_and_without_control_characters()
    {
        var fault = Assert.Single(RunRequestChecks.Check(new RunRequest { Prompt = "p", Title = "\u001b[2J" + new string('x', 300) }));

        Assert.StartsWith("\\u001b[2Jxxx", fault.Value, StringComparison.Ordinal);
        Assert.True(fault.Value!.Length <= 62);
    }
}

public sealed class ShareTargetTests
{
    [Theory]
    [InlineData("", "self", "--share")]
    [InlineData("self", "self", "--share")]
    [InlineData("self:edit", "self", "--share")]
    [InlineData("team", "team:view", "--share=team:view")]
    [InlineData("team:edit", "team:edit", "--share=team:edit")]
    [InlineData("public", "public:view", "--share=public:view")]
    [InlineData("-a@b.com", "-a@b.com:view", "--share=-a@b.com:view")]
    [InlineData("user@example.com:edit", "user@example.com:edit", "--share=user@example.com:edit")]
    public void A_target_has_a_canonical_form(string text, string canonical, string argument)
    {
        Assert.True(ShareTarget.TryParse(text, out var target));
        Assert.Equal((canonical, argument), (target.ToString(), target.Argument));
    }

    [Theory]
    [InlineData("bob")]
    [InlineData("Team")]
    [InlineData("team:")]
    [InlineData("team:admin")]
    [InlineData("a@b:view:edit")]
    [InlineData("@")]
    [InlineData("a b@c")]
    [InlineData("a@b\n")]
    public void Anything_else_is_refused(string text) => Assert.False(ShareTarget.TryParse(text, out _));
}

public sealed class SecretNamesTests
{
    [Theory]
    [InlineData("KEY")]
    [InlineData("github_token")]
    [InlineData("MY_APIKEY_2")]
    [InlineData("DB_CONNECTIONSTRING")]
    [InlineData("DB_CONNECTION_STRING")]
    [InlineData("AWS_CREDENTIAL")]
    [InlineData("X_PAT_Y")]
    [InlineData("SENTRY_DSN")]
    public void A_secret_name_is_known(string name) => Assert.True(SecretNames.IsSecret(name));

    [Theory]
    [InlineData("MONKEY")]
    [InlineData("PATH")]
    [InlineData("PATTERN")]
    [InlineData("TOKENS")]
    [InlineData("KEYBOARD")]
    public void An_ordinary_name_is_not(string name) => Assert.False(SecretNames.IsSecret(name));

    [Theory]
    [InlineData("apiKey")]
    [InlineData("x-api-key")]
    [InlineData("Authorization")]
    [InlineData("accessToken")]
    public void Other_spellings_look_secret_too(string name) => Assert.True(SecretNames.LooksSecret(name));

    [Fact]
    public void References_are_found_and_replaced()
    {
        Assert.Equal(["A", "b.C"], SecretReferences.Find("x ${secret:A} ${secret:b.C} ${secret:A} ${OTHER}"));
        Assert.Equal("x <A>", SecretReferences.Replace("x ${secret:A}", name => $"<{name}>"));
        Assert.True(SecretReferences.IsMalformed("${secret:}"));
        Assert.False(SecretReferences.IsMalformed("${secret:A}"));
    }
}
