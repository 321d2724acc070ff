using System.Text;
using OzFunctions.Queues;
using OzFunctions.Requests;

namespace OzFunctions.Core.Tests.Queues;

public sealed class RequestSendingTests
{
    [Theory]
    [InlineData("""{"prompt":"x"}""", """{"idempotency_key":"k","prompt":"x"}""")]
    [InlineData(""" { "prompt": "größe" } """, """ {"idempotency_key":"k", "prompt": "größe" } """)]
    [InlineData("\uFEFF{\"prompt\":\"x\"}", "\uFEFF{\"idempotency_key\":\"k\",\"prompt\":\"x\"}")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"prompt":"x"}}""", """{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"idempotency_key":"k","prompt":"x"}}""")]
    [InlineData("""{"data":{"prompt":"x","metadata":{"data":"{"}},"specversion":"1.0","id":"1","source":"/s","type":"t"}""", """{"data":{"idempotency_key":"k","prompt":"x","metadata":{"data":"{"}},"specversion":"1.0","id":"1","source":"/s","type":"t"}""")]
    public void A_request_without_a_key_gets_one_and_keeps_its_bytes(string body, string sent)
    {
        var written = RequestSending.WithKey(Encoding.UTF8.GetBytes(body), "k");

        Assert.Equal(sent, Encoding.UTF8.GetString(written.Span));
        Assert.Equal("k", RunRequestReader.Read(written).Request!.IdempotencyKey);
    }

    [Theory]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"DATA"}""")]
    [InlineData("""{"data_base64" : "DATA", "specversion":"1.0","id":"1","source":"/s","type":"t"}""")]
    public void A_request_in_base64_gets_its_key_inside(string body)
    {
        var written = RequestSending.WithKey(Bytes("{\"prompt\":\"x\"}"), "k");

        Assert.Equal(Text("{\"idempotency_key\":\"k\",\"prompt\":\"x\"}"), Encoding.UTF8.GetString(written.Span));
        Assert.Equal("k", RunRequestReader.Read(written).Request!.IdempotencyKey);

        byte[] Bytes(string data) => Encoding.UTF8.GetBytes(Text(data));

        string Text(string data) => body.Replace("DATA", Convert.ToBase64String(Encoding.UTF8.GetBytes(data)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/", "\\/")]
    [InlineData("+", "\\u002B")]
    public void Base64_that_its_producer_escaped_is_read_as_what_it_stands_for(string character, string escaped)
    {
        // Three bytes of "?" and ">" are four characters of base64 that have both.
        var data = Convert.ToBase64String("{\"prompt\":\"???>>>???>>>\"}"u8);
        Assert.Contains(character, data, StringComparison.Ordinal);
        var body = $$"""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"{{data.Replace(character, escaped, StringComparison.Ordinal)}}"}""";

        var written = RunRequestReader.Read(RequestSending.WithKey(Encoding.UTF8.GetBytes(body), "k")).Request!;

        Assert.Equal(("k", "???>>>???>>>"), (written.IdempotencyKey, written.Prompt));
    }

    [Theory]
    [InlineData("""{"prompt":"x","idempotency_key":"mine"}""")]
    [InlineData("""{"prompt":"x","unknown":1}""")]
    [InlineData("""{"prompt":""")]
    [InlineData("")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyJwcm9tcHQiOiJ4IiwiaWRlbXBvdGVuY3lfa2V5IjoibWluZSJ9"}""")]
    public void What_has_a_key_or_is_no_request_stays_as_it_is(string body) =>
        Assert.Equal(body, Encoding.UTF8.GetString(RequestSending.WithKey(Encoding.UTF8.GetBytes(body), "k").Span));
}
