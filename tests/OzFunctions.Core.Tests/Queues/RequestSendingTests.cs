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
    [InlineData("""{"prompt":"x","idempotency_key":"mine"}""")]
    [InlineData("""{"prompt":"x","unknown":1}""")]
    [InlineData("""{"prompt":""")]
    [InlineData("")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyJwcm9tcHQiOiJ4IiwiaWRlbXBvdGVuY3lfa2V5IjoibWluZSJ9"}""")]
    public void What_has_a_key_or_is_no_request_stays_as_it_is(string body) =>
        Assert.Equal(body, Encoding.UTF8.GetString(RequestSending.WithKey(Encoding.UTF8.GetBytes(body), "k").Span));
}
