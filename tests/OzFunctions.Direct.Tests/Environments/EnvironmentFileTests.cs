using System.Text;
using OzFunctions.Direct.Environments;
using OzFunctions.Masking;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Tests.Environments;

public sealed class EnvironmentFileTests
{
    [Theory]
    [InlineData("A=1", "A=1")]
    [InlineData("A=1\r\nB=2\r\n", "A=1|B=2")]
    [InlineData("A: 1", "A=1")]
    [InlineData("export A=1", "A=1")]
    [InlineData("export=1", "export=1")]
    [InlineData("# a comment\n\n  A = 1  # rest", "A=1")]
    [InlineData("A=a#b", "A=a#b")]
    [InlineData("A='$B # \\n'", "A=$B # \\n")]
    [InlineData("A=\"x\\ny\\\"z\"", "A=x\ny\"z")]
    [InlineData("A=\"one\ntwo\"\nB=3", "A=one\ntwo|B=3")]
    [InlineData("A='one\ntwo' # rest\nB=3", "A=one\ntwo|B=3")]
    [InlineData("A=1\nB=$A-${A}x$C!", "A=1|B=1-1x!")]
    [InlineData("A=1\nB=\"$A\"\nC='$A'", "A=1|B=1|C=$A")]
    [InlineData("A=\\$B", "A=$B")]
    [InlineData("A=cost $5 and ${ open", "A=cost $5 and ${ open")]
    [InlineData("A=", "A=")]
    [InlineData("A=\nB=1", "A=|B=1")]
    [InlineData("A=1\nA=2", "A=2")]
    [InlineData("A=https://x.example/?a=b&c=d", "A=https://x.example/?a=b&c=d")]
    [InlineData("A<<EOF\none $B\n# two\nEOF\nB=3", "A=one $B\n# two|B=3")]
    [InlineData("A<<EOF\nEOF", "A=")]
    [InlineData("\uFEFFA=ä", "A=ä")]
    [InlineData("", "")]
    public void A_file_holds_these_variables(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', EnvironmentFile.Parse(Encoding.UTF8.GetBytes(text)).Select(pair => $"{pair.Key}={pair.Value}")));

    [Theory]
    [InlineData("A=1\nB=2\nthis is wrong\nC=3", 3)]
    [InlineData("A=1\n=2", 2)]
    [InlineData("1A=1", 1)]
    [InlineData("A", 1)]
    [InlineData("A=1\nB=\"open\nand on\nand on", 2)]
    [InlineData("A='open", 1)]
    [InlineData("A=\"x\" y", 1)]
    [InlineData("A=1\nB<<EOF\nno end", 2)]
    [InlineData("A<<", 1)]
    [InlineData("A=1\nB=\0", 2)]
    [InlineData("A=\"1\n2\"\nB-C=1", 3)]
    public void A_fault_names_its_line(string text, int line) =>
        Assert.Equal(line, Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Parse(Encoding.UTF8.GetBytes(text))).Line);

    [Fact]
    public void Bytes_that_are_not_text_are_a_fault_of_their_line() =>
        Assert.Equal(3, Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Parse([.. "A=1\nB=2\nC="u8, 0xFF])).Line);

    [Fact]
    public void A_fault_does_not_show_values()
    {
        var fault = Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Parse("TOKEN=\"hunter2"u8));

        Assert.DoesNotContain("hunter2", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_holds_nothing() => Assert.Empty(EnvironmentFile.Read("/nonexistent/file"));

    [Fact]
    public void A_link_in_place_of_the_file_is_a_fault()
    {
        using var temp = new TempDirectory();
        temp.Write("real", "A=1");
        File.CreateSymbolicLink(temp["link"], temp["real"]);

        Assert.Contains("a symbolic link", Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Read(temp["link"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("A_TOKEN: secret-one\nthis is wrong", "secret-one")]
    [InlineData("A_TOKEN=\"first-line\nsecond-line\" # rest\nwrong", "first-line", "second-line")]
    [InlineData("wrong\nA_TOKEN: secret-one\nB_TOKEN = 'secret-two' # rest", "secret-one", "secret-two")]
    [InlineData("wrong\nURL=https://x\nA_TOKEN=\"$URL/secret\\\"one\"", "https://x/secret\"one")]
    [InlineData("A-TOKEN=secret-one", "secret-one")]
    [InlineData("export A_TOKEN secret-one", "secret-one")]
    [InlineData("A_TOKEN=\"secret-one\" and more", "secret-one")]
    [InlineData("A_TOKEN=\"first-line\nsecond-line\nB_TOKEN=third-line", "first-line", "second-line", "third-line")]
    [InlineData("A_KEY<<END\nfirst-line\n  second-line\nB_TOKEN=third-line", "first-line", "second-line", "third-line")]
    [InlineData("A_KEY<<\nfirst-line\nsecond-line", "first-line", "second-line")]
    [InlineData("wrong\nA_KEY<<END\nfirst-line\nsecond-line\nEND\nB_TOKEN='third-line\nfourth-line'", "first-line", "second-line", "third-line", "fourth-line")]
    [InlineData("A_KEY='first-line\nB_KEY='second-line\nthird-line", "first-line", "second-line", "third-line")]
    public void The_secrets_of_a_file_with_a_fault_are_guessed(string text, params string[] secrets)
    {
        using var temp = new TempDirectory();
        temp.Write("environment", text);
        Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Read(temp["environment"]));

        var guessed = EnvironmentFile.Guess(temp["environment"]).Where(pair => SecretNames.IsSecret(pair.Key));

        var masker = new SecretSet().AddAll(guessed.Select(pair => pair.Value)).CreateMasker();
        Assert.All(secrets, secret => Assert.Equal("<***>", masker.MaskText($"<{secret}>")));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("A_TOKEN='\n")]
    [InlineData("A_TOKEN<<X\n")]
    [InlineData("A_TOKEN=\"\n")]
    public async Task A_file_full_of_faults_is_guessed_as_well(string line)
    {
        using var temp = new TempDirectory();
        temp.Write("environment", string.Concat(Enumerable.Repeat(line, (1 << 20) / line.Length)) + "x y z");

        Assert.NotEmpty(await Task.Run(() => EnvironmentFile.Guess(temp["environment"]), TestContext.Current.CancellationToken));
    }

    /// <summary>A name may stand for a long value, and stand in many others.</summary>
    [Theory]
    [InlineData("$X\n")]
    [InlineData("$X$X$X$X$X$X$X$X$X$X$X$X\n")]
    public void A_file_that_means_gigabytes_is_a_fault_and_is_not_guessed_whole(string value)
    {
        using var temp = new TempDirectory();
        var text = $"X={new string('x', 500_000)}\n" + string.Concat(Enumerable.Range(0, 10_000).Select(n => $"N{n}_TOKEN={value}"));
        temp.Write("environment", text);

        var fault = Assert.Throws<EnvironmentFileException>(() => EnvironmentFile.Read(temp["environment"]));

        Assert.Contains("4 MiB", fault.Message, StringComparison.Ordinal);
        Assert.InRange(EnvironmentFile.Guess(temp["environment"]).Sum(pair => (long)pair.Value.Length), 500_000, 16 << 20);
    }
}
