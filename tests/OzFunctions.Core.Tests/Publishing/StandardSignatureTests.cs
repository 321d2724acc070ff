using System.Text;
using OzFunctions.Events;

namespace OzFunctions.Core.Tests.Publishing;

/// <summary>The vector of the Standard Webhooks specification, and keys that are changed.</summary>
public sealed class StandardSignatureTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string Signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    [Theory]
    [InlineData(Secret)]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    public void The_published_vector_is_signed_as_published(string secret) => Assert.Equal(Signature, Sign(secret));

    [Fact]
    public void Every_key_signs_while_a_receiver_changes_over()
    {
        var both = Sign("whsec_" + Convert.ToBase64String(new byte[32]), Secret).Split(' ');

        Assert.Equal(2, both.Length);
        Assert.Equal(Signature, both[1]);
        Assert.NotEqual(both[0], both[1]);
    }

    [Theory]
    [InlineData("hunter2 is no base64")]
    [InlineData("whsec_")]
    [InlineData("c2hvcnQ=")]
    public void A_secret_that_is_no_key_is_refused_without_showing_it(string secret)
    {
        var refused = Assert.Throws<ArgumentException>(() => new StandardSignature([secret]));

        Assert.DoesNotContain("hunter2", refused.Message, StringComparison.Ordinal);
        Assert.Contains("base64", refused.Message, StringComparison.Ordinal);
    }

    private static string Sign(params string[] secrets) =>
        new StandardSignature(secrets).Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", DateTimeOffset.FromUnixTimeSeconds(1614265330), Encoding.UTF8.GetBytes("""{"test": 2432232314}"""));
}
