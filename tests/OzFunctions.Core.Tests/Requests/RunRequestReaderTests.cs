using System.Text;
using OzFunctions.Requests;

namespace OzFunctions.Core.Tests.Requests;

public sealed class RunRequestReaderTests
{
    [Theory]
    [InlineData("""{"prompt":"p"}""")]
    [InlineData("""{"saved_prompt":"id"}""")]
    [InlineData("""{"skill":"org/repo:name"}""")]
    [InlineData("""{"prompt":"p","skill":"s"}""")]
    [InlineData("""{"prompt":"-p; rm -rf /","base_prompt":"b"}""")]
    [InlineData("""{"prompt":"p","title":null,"changes":null}""")]
    [InlineData("""{"prompt":"p","metadata":{"a":"b","empty":""}}""")]
    [InlineData("""{"prompt":"p","worker_id":"pool-1.a_b"}""")]
    [InlineData("""{"prompt":"p","share":["","self","team","team:edit","public:view","a@b.com:edit"]}""")]
    [InlineData("""{"prompt":"p","harness":"claude","computer_use":false,"idle_on_complete":"0s"}""")]
    [InlineData("""{"prompt":"p","mcp":["2f9e1c7e-3f8a-4f61-9a5c-1f9f0d6c9a11","./mcp.json","{\"x\":{\"command\":\"npx\",\"env\":{\"GITHUB_TOKEN\":\"${secret:GH}\",\"MODE\":\"on\"}}}"]}""")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"url\":\"https://h/\",\"headers\":{\"Authorization\":\"Bearer ${secret:GH}\",\"X\":\"y\"}}}"]}""")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"url\":\"https://h/\",\"headers\":{\"Authorization\":\"Bearer ${TOKEN}\",\"X-Api-Key\":\"${KEY}\"}}}"]}""")]
    [InlineData("""{"prompt":"p","env":{"MODE":"x","MY_TOKEN":{"secret":"TOKEN"},"MONKEY":"1","KEYBOARD":"2","_x":"a\nb"}}""")]
    [InlineData("""{"prompt":"p","timeout":"1h30m","silence_timeout":"500ms","setup_timeout":"90s"}""")]
    [InlineData("""{"prompt":"p","not_before":"2030-01-01T00:00:00Z","expires_at":"2030-01-01T02:00:00.5+01:00"}""")]
    [InlineData("""{"prompt":"p","priority":-5,"concurrency_key":"k","on_conflict":"cancel_previous","max_attempts":10}""")]
    [InlineData("""{"prompt":"p","artifacts":["out/**/*.log","a..b","-x"],"changes":false}""")]
    public void A_good_request_is_read(string json) => Assert.Empty(Read(json).Faults);

    [Theory]
    [InlineData("""{}""", "prompt", "is missing")]
    [InlineData("""{"prompt":"  "}""", "prompt", "is empty")]
    [InlineData("""{"prompt":"a\u0000b"}""", "prompt", "NUL")]
    [InlineData("""{"prompt":"p","base_prompt":"a\u0000b"}""", "base_prompt", "NUL")]
    [InlineData("""{"prompt":"p","saved_prompt":"q"}""", "saved_prompt", "excludes prompt")]
    [InlineData("""{"prompt":7}""", "prompt", "must be a text")]
    [InlineData("""{"prompt":"p","promt":"q"}""", "promt", "did you mean 'prompt'?")]
    [InlineData("""{"prompt":"p","maxAttempts":2}""", "maxAttempts", "did you mean 'max_attempts'?")]
    [InlineData("""{"prompt":"p","zzz":null}""", "zzz", "is not a field")]
    [InlineData("""{"prompt":"p","prompt":"q"}""", "prompt", "given twice")]
    [InlineData("""{"prompt":"p","title":"a\u0000b"}""", "title", "a NUL")]
    [InlineData("""{"prompt":"p","title":"a\nb"}""", "title", "a newline")]
    [InlineData("""{"prompt":"p","title":""}""", "title", "is empty")]
    [InlineData("""{"prompt":"p","name":"a\u001b[1mb"}""", "name", "U+001B")]
    [InlineData("""{"prompt":"p","metadata":{"a":1}}""", "metadata.a", "must be a text")]
    [InlineData("""{"prompt":"p","metadata":{"a":"x\ny"}}""", "metadata.a", "a newline")]
    [InlineData("""{"prompt":"p","metadata":{"":"x"}}""", "metadata", "an entry's name")]
    [InlineData("""{"prompt":"p","metadata":["a"]}""", "metadata", "must be an object")]
    [InlineData("""{"prompt":"p","metadata":{"a":"1","a":"2"}}""", "metadata.a", "given twice")]
    [InlineData("""{"prompt":"p","worker_id":"warp1"}""", "worker_id", "reserved")]
    [InlineData("""{"prompt":"p","worker_id":"a/b"}""", "worker_id", "letters, digits")]
    [InlineData("""{"prompt":"p","worker_id":""}""", "worker_id", "is empty")]
    [InlineData("""{"prompt":"p","share":["bob"]}""", "share[0]", "Cannot share with 'bob'. Expected 'team', 'public', or an email address")]
    [InlineData("""{"prompt":"p","share":["team","team:admin"]}""", "share[1]", "'view' or 'edit'")]
    [InlineData("""{"prompt":"p","share":[1,"bob"]}""", "share[1]", "Cannot share")]
    [InlineData("""{"prompt":"p","share":"team"}""", "share", "must be a list")]
    [InlineData("""{"prompt":"p","model":"a\nb"}""", "model", "a newline")]
    [InlineData("""{"prompt":"p","profile":""}""", "profile", "is empty")]
    [InlineData("""{"prompt":"p","environment":"a\tb"}""", "environment", "a tab")]
    [InlineData("""{"prompt":"p","conversation":"\r"}""", "conversation", "carriage return")]
    [InlineData("""{"prompt":"p","harness":"opencode"}""", "harness", "refuses opencode")]
    [InlineData("""{"prompt":"p","harness":"claud"}""", "harness", "did you mean 'claude'?")]
    [InlineData("""{"prompt":"p","computer_use":"yes"}""", "computer_use", "true or false")]
    [InlineData("""{"prompt":"p","idle_on_complete":"-1s"}""", "idle_on_complete", "a duration")]
    [InlineData("""{"prompt":"p","mcp":["{\"a\":"]}""", "mcp[0]", "is not JSON (line 1")]
    [InlineData("""{"prompt":"p","mcp":["[1]"]}""", "mcp[0]", "one object")]
    [InlineData("""{"prompt":"p","mcp":[{"a":{}}]}""", "mcp[0]", "write the JSON object as a text")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"env\":{\"A\":\"${secret:no good}\"}}}"]}""", "mcp[0].x.env.A", "a reference to a secret")]
    [InlineData("""{"prompt":"p","env":{"PATH":"/x"}}""", "env.PATH", "PATH is the host's")]
    [InlineData("""{"prompt":"p","env":{"HOME":{"secret":"X"}}}""", "env.HOME", "HOME is the host's")]
    [InlineData("""{"prompt":"p","env":{"WARP_API_KEY":{"secret":"X"}}}""", "env.WARP_API_KEY", "agent_environment")]
    [InlineData("""{"prompt":"p","env":{"OZ_RUN_ID":"x"}}""", "env.OZ_RUN_ID", "OZ_")]
    [InlineData("""{"prompt":"p","env":{"OZF_X":"x"}}""", "env.OZF_X", "OZF_")]
    [InlineData("""{"prompt":"p","env":{"LD_PRELOAD":"x"}}""", "env.LD_PRELOAD", "LD_")]
    [InlineData("""{"prompt":"p","env":{"A-B":"x"}}""", "env.A-B", "a variable's name")]
    [InlineData("""{"prompt":"p","env":{"1A":"x"}}""", "env.1A", "a variable's name")]
    [InlineData("""{"prompt":"p","env":{"PORT":80}}""", "env.PORT", "in quotes")]
    [InlineData("""{"prompt":"p","env":{"A":{"secret":"B","x":1}}}""", "env.A", "must be a text or")]
    [InlineData("""{"prompt":"p","env":{"A":{"secret":"b c"}}}""", "env.A.secret", "a secret's name")]
    [InlineData("""{"prompt":"p","env":{"A":"x\u0000"}}""", "env.A", "NUL")]
    [InlineData("""{"prompt":"p","timeout":"-5s"}""", "timeout", "a duration such as 90s")]
    [InlineData("""{"prompt":"p","timeout":"0s"}""", "timeout", "more than zero")]
    [InlineData("""{"prompt":"p","timeout":90}""", "timeout", "a duration")]
    [InlineData("""{"prompt":"p","silence_timeout":"0s"}""", "silence_timeout", "turn it off")]
    [InlineData("""{"prompt":"p","setup_timeout":"5"}""", "setup_timeout", "a duration")]
    [InlineData("""{"prompt":"p","not_before":"2030-01-01"}""", "not_before", "RFC 3339")]
    [InlineData("""{"prompt":"p","not_before":"2030-01-01T00:00:00"}""", "not_before", "with its offset")]
    [InlineData("""{"prompt":"p","expires_at":"2030-02-30T00:00:00Z"}""", "expires_at", "RFC 3339")]
    [InlineData("""{"prompt":"p","not_before":"2030-01-01T00:00:00Z","expires_at":"2030-01-01T00:00:00Z"}""", "expires_at", "after not_before")]
    [InlineData("""{"prompt":"p","priority":6}""", "priority", "-5 to 5")]
    [InlineData("""{"prompt":"p","priority":1.5}""", "priority", "whole number")]
    [InlineData("""{"prompt":"p","concurrency_key":""}""", "concurrency_key", "is empty")]
    [InlineData("""{"prompt":"p","on_conflict":"kill"}""", "on_conflict", "queue, skip or cancel_previous")]
    [InlineData("""{"prompt":"p","max_attempts":0}""", "max_attempts", "1 to 10")]
    [InlineData("""{"prompt":"p","max_attempts":11}""", "max_attempts", "1 to 10")]
    [InlineData("""{"prompt":"p","artifacts":["/etc/passwd"]}""", "artifacts[0]", "relative")]
    [InlineData("""{"prompt":"p","artifacts":["ok","a/../../b"]}""", "artifacts[1]", "inside the workspace")]
    [InlineData("""{"prompt":"p","artifacts":["a\u0000"]}""", "artifacts[0]", "a NUL")]
    [InlineData("""{"prompt":"p","artifacts":[""]}""", "artifacts[0]", "is empty")]
    [InlineData("""{"prompt":"p","changes":1}""", "changes", "true or false")]
    public void A_bad_field_is_named_with_its_rule(string json, string path, string rule)
    {
        var read = Read(json);

        Assert.Null(read.Request);
        Assert.Contains(read.Faults, fault => fault.Path == path && fault.Rule.Contains(rule, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(" \r\n\t", "is empty")]
    [InlineData("\ufeff", "is empty")]
    [InlineData("fix the bug", "not JSON: line 1, position 2")]
    [InlineData("{\"prompt\":\"p\",\n \"title\" 1}", "not JSON: line 2, position 10")]
    [InlineData("{\"prompt\":\"p\",}", "not JSON: line 1")]
    [InlineData("{\"prompt\":\"p\"} {}", "not JSON: line 1")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("\"p\"", "must be a JSON object")]
    [InlineData("null", "must be a JSON object")]
    [InlineData("{\"prompt\":\"\\ud800\"}", "half a surrogate pair")]
    [InlineData("{\"\\ud800\":1}", "half a surrogate pair")]
    public void What_is_no_request_is_one_fault_of_the_document(string text, string rule)
    {
        var read = Read(text);

        Assert.Null(read.Request);
        var fault = Assert.Single(read.Faults);
        Assert.Equal("", fault.Path);
        Assert.Contains(rule, fault.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_refused()
    {
        Assert.Contains("not UTF-8", Assert.Single(RunRequestReader.Read(Encoding.Unicode.GetPreamble()).Faults).Rule, StringComparison.Ordinal);
        Assert.Contains("not UTF-8", Assert.Single(RunRequestReader.Read("{\"prompt\":\"\xff\"}"u8.ToArray().Select(b => b == 0xc3 ? (byte)0xff : b).ToArray()).Faults).Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void A_byte_order_mark_is_skipped() => Assert.Equal("p", Read("\ufeff{\"prompt\":\"p\"}").Request!.Prompt);

    [Fact]
    public void Every_fault_is_told_at_once()
    {
        var read = Read("""{"promt":"x","share":["bob"],"env":{"PATH":"/x"},"timeout":"-5s","title":"a\nb","worker_id":"warp1","priority":9}""");

        Assert.Equal(["env.PATH", "priority", "prompt", "promt", "share[0]", "timeout", "title", "worker_id"], read.Faults.Select(fault => fault.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_field_that_cannot_be_read_has_one_fault_only() => Assert.Single(Read("""{"prompt":["x"]}""").Faults);

    [Theory]
    [InlineData("""{"prompt":"p","env":{"MY_TOKEN":"hunter2"}}""", "env.MY_TOKEN")]
    [InlineData("""{"prompt":"p","env":{"my_token":"hunter2"}}""", "env.my_token")]
    [InlineData("""{"prompt":"p","env":{"PATH":"hunter2"}}""", "env.PATH")]
    [InlineData("""{"prompt":"p","env":{"MY_TOKEN":["hunter2"]}}""", "env.MY_TOKEN")]
    [InlineData("""{"prompt":"p","apiKey":"hunter2"}""", "apiKey")]
    [InlineData("""{"prompt":"p","metadata":{"TOKEN":"hunter2\n"}}""", "metadata.TOKEN")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"env\":{\"GITHUB_TOKEN\":\"hunter2\"}}}"]}""", "mcp[0].x.env.GITHUB_TOKEN")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"headers\":{\"Authorization\":\"Bearer hunter2\"}}}"]}""", "mcp[0].x.headers.Authorization")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"headers\":{\"X-Api-Key\":\"hunter2\"}}}"]}""", "mcp[0].x.headers.X-Api-Key")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"headers\":{\"Authorization\":\"hunter2 ${TOKEN}\"}}}"]}""", "mcp[0].x.headers.Authorization")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"headers\":{\"Authorization\":\"Bearer ${TOKEN} hunter2\"}}}"]}""", "mcp[0].x.headers.Authorization")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"headers\":{\"Authorization\":\"Bearer ${hunter2\"}}}"]}""", "mcp[0].x.headers.Authorization")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"url\":\"https://me:hunter2@h/\"}}"]}""", "mcp[0].x.url")]
    [InlineData("""{"prompt":"p","mcp":["{\"x\":{\"env\":{\"PASSWORD\":\"$hunter2\"}}}"]}""", "mcp[0].x.env.PASSWORD")]
    public void A_literal_secret_is_refused_and_never_shown(string json, string path)
    {
        var read = Read(json);

        Assert.Equal(path, Assert.Single(read.Faults).Path);
        Assert.DoesNotContain("hunter2", Encoding.UTF8.GetString(RequestProblem.ToJson(read.Faults)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_may_have_120_kib_together_with_its_base_prompt()
    {
        var half = new string('x', 60 * 1024);

        Assert.Empty(Read($$"""{"prompt":"{{half}}","base_prompt":"{{half}}"}""").Faults);
        var fault = Assert.Single(Read($$"""{"prompt":"{{half}}y","base_prompt":"{{half}}"}""").Faults);
        Assert.Equal(("prompt", "122881 bytes"), (fault.Path, fault.Value));
    }

    [Fact]
    public void A_prompt_of_10_mb_is_refused_by_message_and_by_field()
    {
        var read = Read($$"""{"prompt":"{{new string('x', 10_000_000)}}"}""");

        Assert.Equal(["", "prompt"], read.Faults.Select(fault => fault.Path));
        Assert.All(read.Faults, fault => Assert.True(fault.ToString().Length < 400));
    }

    [Fact]
    public void A_message_far_over_the_cap_is_not_read() =>
        Assert.Equal("", Assert.Single(RunRequestReader.Read(new byte[64], mostBytes: 3).Faults).Path);

    [Fact]
    public void Deep_nesting_is_refused()
    {
        var fault = Assert.Single(Read(string.Concat(Enumerable.Repeat("{\"a\":", 100_000))).Faults);

        Assert.Contains("nested too deep", fault.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hostile_document_gets_a_bounded_answer()
    {
        var read = Read("{" + string.Join(',', Enumerable.Range(0, 50_000).Select(i => $"\"q{i}\":1")) + "}");

        Assert.Equal(101, read.Faults.Count);
        Assert.Contains("more faults", read.Faults[^1].Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void No_damage_to_a_message_ends_in_anything_but_faults()
    {
        const string Good = """{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"prompt":"p","share":["team"],"env":{"A":{"secret":"B"}},"mcp":["{\"x\":{\"url\":\"u\"}}"],"timeout":"1h","not_before":"2030-01-01T00:00:00Z","priority":1,"metadata":{"a":"b"}}}""";
        const string Bits = "{}[]:,\"\\ud0e-nt1";
        var random = new Random(7);
        for (var i = 0; i < 5_000; i++)
        {
            var damaged = Encoding.UTF8.GetBytes(Good);
            for (var j = random.Next(1, 4); j > 0; j--)
            {
                damaged[random.Next(damaged.Length)] = (byte)(random.Next(3) == 0 ? random.Next(256) : Bits[random.Next(Bits.Length)]);
            }

            var read = RunRequestReader.Read(damaged);
            Assert.True(read.IsValid || read.Faults.Count > 0, Convert.ToBase64String(damaged));
        }
    }

    [Theory]
    [InlineData("title", 200)]
    [InlineData("name", 200)]
    [InlineData("idempotency_key", 256)]
    [InlineData("concurrency_key", 256)]
    [InlineData("worker_id", 128)]
    [InlineData("model", 256)]
    public void A_text_has_its_longest_length(string field, int longest)
    {
        Assert.Empty(Read($$"""{"prompt":"p","{{field}}":"{{new string('x', longest)}}"}""").Faults);
        Assert.Equal(field, Assert.Single(Read($$"""{"prompt":"p","{{field}}":"{{new string('x', longest + 1)}}"}""").Faults).Path);
    }

    [Fact]
    public void Lists_and_maps_have_their_most_entries()
    {
        Assert.Empty(Read($$"""{"prompt":"p","metadata":{{{Entries(32)}}},"artifacts":[{{Items(64)}}]}""").Faults);
        Assert.Equal(["metadata", "artifacts"], Read($$"""{"prompt":"p","metadata":{{{Entries(33)}}},"artifacts":[{{Items(65)}}]}""").Faults.Select(fault => fault.Path));

        static string Entries(int count) => string.Join(',', Enumerable.Range(0, count).Select(i => $"\"k{i}\":\"{new string('v', 256)}\""));
        static string Items(int count) => string.Join(',', Enumerable.Range(0, count).Select(i => $"\"f{i}\""));
    }

    private static CheckedRequest Read(string json) => RunRequestReader.Read(Encoding.UTF8.GetBytes(json));
}
