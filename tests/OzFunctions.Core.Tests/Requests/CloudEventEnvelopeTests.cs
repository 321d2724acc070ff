using System.Text;
using OzFunctions.Requests;

namespace OzFunctions.Core.Tests.Requests;

public sealed class CloudEventEnvelopeTests
{
    [Fact]
    public void The_data_of_a_cloud_event_is_the_request() => Assert.Equal("p", Read(
        """{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json; charset=utf-8","extension":1,"data":{"prompt":"p"}}""").Request!.Prompt);

    [Fact]
    public void Encoded_data_is_read_too() => Assert.Equal("p", Read(
        $$"""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"{{Convert.ToBase64String("{\"prompt\":\"p\"}"u8)}}"}""").Request!.Prompt);

    [Fact]
    public void Faults_of_the_data_are_told_with_their_place_in_the_message() => Assert.Equal(["data.zzz", "data.title"], Read(
        """{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"prompt":"p","zzz":1,"title":"a\nb"}}""").Faults.Select(fault => fault.Path));

    [Theory]
    [InlineData("""{"specversion":"0.3","id":"1","source":"/s","type":"t","data":{"prompt":"p"}}""", "specversion")]
    [InlineData("""{"specversion":"1.0","source":"/s","type":"t","data":{"prompt":"p"}}""", "id")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"","type":"t","data":{"prompt":"p"}}""", "source")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":7,"data":{"prompt":"p"}}""", "type")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","data":{"prompt":"p"}}""", "datacontenttype")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t"}""", "data")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"p"}""", "data")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"?"}""", "data_base64")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"e30="}""", "data.prompt")]
    [InlineData("""{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyI="}""", "data_base64")]
    public void A_bad_envelope_is_refused(string json, string path)
    {
        var read = Read(json);

        Assert.Null(read.Request);
        Assert.Equal(path, Assert.Single(read.Faults).Path);
    }

    private static CheckedRequest Read(string json) => RunRequestReader.Read(Encoding.UTF8.GetBytes(json));
}
