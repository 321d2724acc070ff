using System.Text;
using OzFunctions.Direct.Environments;

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
}
