using System.Text;
using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Requests;

public sealed class RunRequestJsonTests
{
    private const string Full =
        """{"prompt":"Fix é","skill":"org/repo:name","title":"T","name":"N","metadata":{"a":"b"},"idempotency_key":"k","worker_id":"w","share":["team:edit"],"model":"m","profile":"pr","mcp":["./x.json"],"environment":"e","conversation":"c","harness":"oz","computer_use":true,"idle_on_complete":"0s","base_prompt":"b","env":{"A":"1","B_TOKEN":{"secret":"B"}},"timeout":"2h","silence_timeout":"1m30s","setup_timeout":"15m","not_before":"2030-01-01T00:00:00.000Z","expires_at":"2030-01-02T00:00:00.000Z","priority":1,"concurrency_key":"ck","on_conflict":"cancel_previous","max_attempts":2,"artifacts":["out/*"],"changes":false}""";

    [Fact]
    public void A_request_is_this_json_and_can_be_sent_again()
    {
        var read = RunRequestReader.Read(Encoding.UTF8.GetBytes(Full));

        Assert.Empty(read.Faults);
        var json = JsonSerializer.Serialize(read.Request!, RunJson.Wire.RunRequest);
        Assert.Equal(Full, json);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize(json, RunJson.Wire.RunRequest)!, RunJson.Wire.RunRequest));
    }

    [Fact]
    public void Every_field_of_the_record_is_read()
    {
        using var document = JsonDocument.Parse(Full);

        // saved_prompt excludes prompt, so the full request has all but one.
        Assert.Equal(typeof(RunRequest).GetProperties().Length - 1, document.RootElement.GetPropertyCount());
    }

    [Fact]
    public void Only_what_was_given_is_written() => Assert.Equal("""{"prompt":"p"}""", JsonSerializer.Serialize(new RunRequest { Prompt = "p" }, RunJson.Wire.RunRequest));

    [Theory]
    [InlineData("""{"prompt":"p","idempotency_key":"other"}""")]
    [InlineData("""{"metadata":{},"prompt":"p","share":[]}""")]
    public void The_hash_tells_what_is_asked_for(string json) => Assert.Equal(Hash("""{"prompt":"p","idempotency_key":"k"}"""), Hash(json));

    [Fact]
    public void The_hash_does_not_depend_on_order_or_spelling() => Assert.Equal(
        Hash("""{"prompt":"p","metadata":{"a":"1","b":"2"},"env":{"X":"1","Y":"2"},"share":["team",""],"timeout":"90m","not_before":"2030-01-01T01:00:00+01:00"}"""),
        Hash("""{"not_before":"2030-01-01T00:00:00Z","timeout":"1h30m","share":["team:view","self"],"env":{"Y":"2","X":"1"},"metadata":{"b":"2","a":"1"},"prompt":"p"}"""));

    [Theory]
    [InlineData("""{"prompt":"q"}""")]
    [InlineData("""{"prompt":"p","title":"t"}""")]
    [InlineData("""{"prompt":"p","env":{"A":"1"}}""")]
    public void Another_request_has_another_hash(string json) => Assert.NotEqual(Hash("""{"prompt":"p"}"""), Hash(json));

    [Fact]
    public void The_hash_is_pinned() => Assert.Equal(
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("""{"prompt":"p","share":["team:view"],"priority":1}"""u8)),
        Hash("""{"priority":1,"prompt":"p","share":["team"],"idempotency_key":"k"}"""));

    private static string Hash(string json) => RequestHash.Of(RunRequestReader.Read(Encoding.UTF8.GetBytes(json)).Request!);
}
