using OzFunctions.Logs;

namespace OzFunctions.Core.Tests.Logs;

public sealed class TerminalTextTests
{
    [Theory]
    [InlineData("plain grün 🐸 text", "plain grün 🐸 text", "plain grün 🐸 text")]
    [InlineData("\u001b[31mred\u001b[0m", "\u001b[31mred\u001b[0m\u001b[0m", "red")]
    [InlineData("\u001b[38;5;196;1mx\u001b[m", "\u001b[38;5;196;1mx\u001b[m\u001b[0m", "x")]
    [InlineData("\u001b[38:2::1:2:3mx", "\u001b[38:2::1:2:3mx\u001b[0m", "x")]
    [InlineData("\u001b[2J\u001b[H", "^[[2J^[[H", "^[[2J^[[H")]
    [InlineData("\u001b]0;title\u0007x", "^[]0;title^Gx", "^[]0;title^Gx")]
    [InlineData("\u001b[>4m\u001b[?25l", "^[[>4m^[[?25l", "^[[>4m^[[?25l")]
    [InlineData("over\rwritten\b", "over^Mwritten^H", "over^Mwritten^H")]
    [InlineData("half\u001b[3", "half^[[3", "half^[[3")]
    [InlineData("half\u001b[", "half^[[", "half^[[")]
    [InlineData("half\u001b", "half^[", "half^[")]
    [InlineData("\0\u007f\u009b31m", "^@^?M-^[31m", "^@^?M-^[31m")]
    [InlineData("a\tb\n\tc", "a       b\n        c", "a       b\n        c")]
    public void Only_colours_pass(string text, string colored, string plain)
    {
        Assert.Equal(colored, TerminalText.Clean(text, color: true));
        Assert.Equal(plain, TerminalText.Clean(text, color: false));
    }

    [Fact]
    public void No_control_character_gets_through()
    {
        var all = string.Concat(Enumerable.Range(0, 0xa0).Select(value => $"{(char)value}[;{(char)value}"));

        Assert.DoesNotContain(TerminalText.Clean(all, color: false), value => char.IsControl(value) && value != '\n');
    }
}
