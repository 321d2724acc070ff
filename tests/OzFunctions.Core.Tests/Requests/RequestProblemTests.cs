using System.Text;
using OzFunctions.Requests;

namespace OzFunctions.Core.Tests.Requests;

public sealed class RequestProblemTests
{
    private static readonly RequestFault[] Faults = [new("share[0]", "bob", "no"), new("", null, "empty")];

    [Fact]
    public void A_problem_is_this_json() => Assert.Equal(
        """{"type":"/problems/invalid_request","title":"The run request is not valid","status":400,"detail":"share[0]: 'bob': no (and 1 more)","error":"share[0]: 'bob': no (and 1 more)","retryable":false,"faults":[{"path":"share[0]","value":"bob","rule":"no"},{"path":"","rule":"empty"}]}""",
        Encoding.UTF8.GetString(RequestProblem.ToJson(Faults)));

    [Fact]
    public void People_get_a_line_for_each_fault() =>
        Assert.Equal("The request is not valid:\n  share[0]: 'bob': no\n  empty\n", RequestProblem.ToText("The request is not valid:", Faults));
}

public sealed class SuggestionTests
{
    [Theory]
    [InlineData("promt", "prompt")]
    [InlineData("Prompt", "prompt")]
    [InlineData("workerId", "worker_id")]
    [InlineData("tite", "title")]
    public void A_near_name_is_suggested(string name, string known) => Assert.Equal(known, Suggestion.Find(name, ["prompt", "worker_id", "title"]));

    [Theory]
    [InlineData("something")]
    [InlineData("")]
    [InlineData("x")]
    public void A_far_one_is_not(string name) => Assert.Null(Suggestion.Find(name, ["prompt", "worker_id", "title"]));
}
