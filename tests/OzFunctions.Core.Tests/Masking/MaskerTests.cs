using System.Buffers;
using System.Text;
using OzFunctions.Masking;

namespace OzFunctions.Core.Tests.Masking;

public sealed class MaskerTests
{
    [Theory]
    [InlineData("nothing here", "nothing here")]
    [InlineData("a hunter2 b", "a *** b")]
    [InlineData("hunter2", "***")]
    [InlineData("hunter2-production", "***")] // the longer of two that begin alike
    [InlineData("hunter2-productio", "***-productio")]
    [InlineData("hunter2hunter2", "******")]
    [InlineData("xhunterhunter2", "xhunter***")]
    [InlineData("abcdefghijkl", "***")] // two that overlap
    [InlineData("abcdefghiabcdefghi", "******")]
    [InlineData("hunter", "hunter")]
    [InlineData("ünter-hunter2-ü", "ünter-***-ü")]
    public void A_secret_becomes_three_stars(string text, string expected)
    {
        var masker = Masker("hunter2", "hunter2-production", "abcdefghi", "ghijkl");

        Assert.Equal(expected, masker.MaskText(text));
    }

    [Fact]
    public void A_short_one_between_the_parts_of_a_long_one_is_found_when_the_long_one_is_not()
    {
        var masker = Masker("abcdef--ghijkl--mnopqr", "ghijkl", "abcdef");

        Assert.Equal("***", masker.MaskText("abcdef--ghijkl--mnopqr"));
        Assert.Equal("***--***--mnop", masker.MaskText("abcdef--ghijkl--mnop"));
    }

    [Fact]
    public void Only_what_may_become_a_secret_is_held()
    {
        var stream = Masker("hunter2", "hunter2-production!").OpenStream();
        var output = new ArrayBufferWriter<byte>();

        stream.Write("the word is hunt"u8, output);
        Assert.Equal(("the word is ", "hunt"), (Text(output), Text(stream.Held)));
        stream.Write("er2"u8, output);
        Assert.Equal(("the word is ", "hunter2"), (Text(output), Text(stream.Held)));
        stream.Write("."u8, output);
        Assert.Equal(("the word is ***.", ""), (Text(output), Text(stream.Held)));
        Assert.Equal(1, stream.Masked);
        stream.Write("hunter2-production!"u8, output);
        Assert.Equal(("the word is ***.***", ""), (Text(output), Text(stream.Held)));
        stream.Write("hunter2-prod"u8, output);
        stream.Complete(output);
        Assert.Equal("the word is ***.******-prod", Text(output));
        Assert.Equal(3, stream.Masked);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Cut_at_any_byte_it_does_what_the_plain_one_does(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 400; round++)
        {
            // Few letters and short patterns, so that they overlap, begin and end alike all the time; long ones, so that places are skipped.
            var letters = random.Next(1, 4);
            var least = random.Next(1, 9);
            byte[] Some(int length) => [.. Enumerable.Range(0, length).Select(_ => (byte)('a' + random.Next(letters)))];
            var patterns = Enumerable.Range(0, random.Next(1, 7)).Select(_ => Some(random.Next(least, least + 8))).ToList();
            var text = Enumerable.Range(0, random.Next(1, 6)).SelectMany(_ => random.Next(3) == 0 ? Some(random.Next(20)) : patterns[random.Next(patterns.Count)][..^random.Next(2)]).ToArray();
            var masker = new Masker(patterns, []);
            var expected = PlainMasker.Mask(text, patterns);

            for (var cut = 0; cut <= text.Length; cut++)
            {
                Assert.Equal(expected, InPieces(masker, text, [cut], renewed: false));
                Assert.Equal(expected, InPieces(masker, text, [cut], renewed: true));
            }

            Assert.Equal(expected, InPieces(masker, text, Enumerable.Range(0, text.Length), renewed: false));
            Assert.Equal(expected, InPieces(masker, text, Enumerable.Range(0, text.Length), renewed: true));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_may_be_broken_into_lines_is_found_cut_at_any_byte_as_the_plain_one_finds_it(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 400; round++)
        {
            var letters = random.Next(1, 4);
            byte[] Some(int length) => [.. Enumerable.Range(0, length).Select(_ => (byte)('a' + random.Next(letters)))];
            byte[][] patterns = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Some(random.Next(2, 10)))];
            byte[][] wrapped = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => WithLettersOfBreaks(Some(random.Next(4, 14)), random))];
            var whole = Enumerable.Range(0, random.Next(1, 6)).SelectMany(_ => random.Next(3) == 0 ? Some(random.Next(8)) : random.Next(3) == 0 && patterns.Length > 0 ? patterns[random.Next(patterns.Length)] : wrapped[random.Next(wrapped.Length)]);
            var often = random.Next(2, 7);
            byte[] text = [.. whole.SelectMany(letter => random.Next(often) == 0 ? [letter, .. Break(random)] : (byte[])[letter])];
            var masker = new Masker(patterns, wrapped);
            var expected = PlainMasker.Mask(text, patterns, wrapped);

            for (var cut = 0; cut <= text.Length; cut++)
            {
                Assert.Equal(expected, InPieces(masker, text, [cut], renewed: false));
                Assert.Equal(expected, InPieces(masker, text, [cut], renewed: true));
            }

            Assert.Equal(expected, InPieces(masker, text, Enumerable.Range(0, text.Length), renewed: true));
        }
    }

    [Fact]
    public void Line_breaks_without_end_are_not_held_without_end()
    {
        var masker = Masker("ghp_0123456789abcdefghij");
        var begun = Encoding.ASCII.GetBytes(Convert.ToBase64String(Encoding.UTF8.GetBytes("ghp_0123456789"))[..8]);
        var stream = masker.OpenStream();
        var output = new ArrayBufferWriter<byte>();

        stream.Write(begun, output);
        for (var i = 0; i < 500; i++)
        {
            stream.Write(Enumerable.Repeat((byte)'\n', 10_000).ToArray(), output);
            Assert.InRange(stream.Held.Length, 0, 100);
        }

        stream.Complete(output);
        Assert.Equal(begun.Length + 5_000_000, output.WrittenCount);
    }

    /// <summary>A patch has a sign before each line, and base64 has both signs as well.</summary>
    [Theory]
    [InlineData("\n")]
    [InlineData("\n+")]
    [InlineData("\n-")]
    [InlineData("\n ")]
    [InlineData("\n    +")]
    public void A_line_may_begin_with_the_sign_of_a_patch_and_then_with_one_of_its_own(string end)
    {
        const string Standard = "abcd++ef--g+-h+++ij";
        var other = string.Concat(Standard.Select(letter => letter switch { '+' => '-', '-' => '+', _ => letter }));
        var masker = new Masker([], [Encoding.ASCII.GetBytes(Standard), Encoding.ASCII.GetBytes(other)]);
        foreach (var pattern in (string[])[Standard, other])
        {
            for (var at = PatternTree.LeastBeforeBreak; at < pattern.Length; at++)
            {
                var text = Encoding.ASCII.GetBytes($"x{pattern[..at]}{end}{pattern[at..]}y");
                for (var cut = 0; cut <= text.Length; cut++)
                {
                    Assert.Equal("x***y", InPieces(masker, text, [cut], renewed: true));
                }
            }
        }
    }

    /// <summary>Each break is followed by what begins again: a look at all of them for every byte would take minutes.</summary>
    [Fact(Timeout = 120_000)]
    public async Task Lines_that_begin_a_secret_again_and_again_take_no_longer_than_others()
    {
        var masker = Masker("ghp_0123456789abcdefghij");
        var line = Convert.ToBase64String("ghp_0123456789"u8)[..4] + "\n";
        var text = string.Concat(Enumerable.Repeat(line, 1_000_000));

        Assert.Equal(text, await Task.Run(() => masker.MaskText(text), TestContext.Current.CancellationToken));
    }

    // Not the first one: behind a backslash it is a line break's, whatever begins there.
    private static byte[] WithLettersOfBreaks(byte[] pattern, Random random) =>
        [pattern[0], .. pattern[1..].Select(letter => random.Next(4) == 0 ? (byte)"nr"[random.Next(2)] : letter)];

    private static byte[] Break(Random random) => random.Next(9) switch { 8 => [(byte)'\n', .. Enumerable.Range(0, random.Next(1, 4)).Select(_ => (byte)"+-># |*"[random.Next(7)])], 7 => "\n+"u8.ToArray(), 6 => "\n>  "u8.ToArray(), 5 => [(byte)'\n', .. Enumerable.Repeat((byte)' ', random.Next(29, 34))], 0 => "\r\n"u8.ToArray(), 1 => "\\n"u8.ToArray(), 2 => "\n  "u8.ToArray(), _ => "\n"u8.ToArray() };

    [Fact]
    public void Secrets_in_ordinary_output_are_found_wherever_it_is_cut()
    {
        var random = new Random(7);
        var secrets = Enumerable.Range(0, 20).Select(i => $"s{i}/" + Convert.ToBase64String(Some(random, 24))).ToList();
        var masker = Masker([.. secrets]);
        var lines = Enumerable.Range(0, 200).Select(i => i % 7 == 0 ? $"line {i} {secrets[i % 20]} and {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{new string('u', i % 3)}{secrets[i % 20]}x"))}\n" : $"an ordinary line, number {i}\n");
        var text = Encoding.UTF8.GetBytes(string.Concat(lines));
        var expected = InPieces(masker, text, [], renewed: false);

        Assert.All(secrets, secret => Assert.DoesNotContain(secret, expected, StringComparison.Ordinal));
        Assert.Equal(2 * 29, expected.Split("***").Length - 1);
        for (var round = 0; round < 100; round++)
        {
            Assert.Equal(expected, InPieces(masker, text, Enumerable.Range(0, 40).Select(_ => random.Next(text.Length)).Order(), renewed: round % 2 == 0));
        }
    }

    [Fact]
    public void A_secret_of_16_KB_is_found_and_its_beginning_is_given_back()
    {
        var secret = Convert.ToHexStringLower(Some(new Random(1), 8192));
        var masker = Masker(secret);

        Assert.Equal("a***b", masker.MaskText("a" + secret + "b"));
        Assert.Equal("a" + secret[..^1], masker.MaskText("a" + secret[..^1]));
    }

    [Fact]
    public void What_overlaps_itself_without_end_is_not_held_without_end()
    {
        var masker = new Masker(["ababab"u8.ToArray()], [], mostHeld: 100);
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("ab", 1000)) + "!");
        var whole = InPieces(masker, text, [], renewed: false);

        Assert.DoesNotContain("ababab", whole, StringComparison.Ordinal);
        Assert.EndsWith("!", whole, StringComparison.Ordinal);
        Assert.InRange(whole.Length, 3, 200);
        for (var step = 1; step < 50; step++)
        {
            Assert.Equal(whole, InPieces(masker, text, Enumerable.Range(0, text.Length).Where(at => at % step == 0), renewed: step % 2 == 0, mostHeld: 200));
        }
    }

    [Fact]
    public void Without_secrets_everything_passes_as_it_is()
    {
        Assert.True(OzFunctions.Masking.Masker.None.IsEmpty);
        Assert.Equal("text", InPieces(OzFunctions.Masking.Masker.None, "text"u8.ToArray(), [2], renewed: false));
        Assert.True(Masker("short", "true", "xxxxxxxx").IsEmpty);
    }

    /// <param name="renewed">After each piece a new stream is given what the one before held, as a host that adopts does.</param>
    private static string InPieces(Masker masker, byte[] text, IEnumerable<int> cuts, bool renewed, int mostHeld = int.MaxValue)
    {
        var output = new ArrayBufferWriter<byte>();
        var stream = masker.OpenStream();
        var from = 0;
        foreach (var to in cuts.Append(text.Length))
        {
            stream.Write(text.AsSpan(from, to - from), output);
            from = to;
            Assert.InRange(stream.Held.Length, 0, mostHeld);
            if (renewed)
            {
                var held = stream.Held.ToArray();
                var before = output.WrittenCount;
                stream = masker.OpenStream();
                stream.Write(held, output);
                Assert.Equal(before, output.WrittenCount);
                Assert.Equal(held, stream.Held.ToArray());
            }
        }

        stream.Complete(output);
        Assert.Equal(0, stream.Held.Length);
        return Encoding.Latin1.GetString(output.WrittenSpan);
    }

    private static Masker Masker(params string[] secrets) => new SecretSet().AddAll(secrets).CreateMasker();

    private static byte[] Some(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static string Text(ArrayBufferWriter<byte> output) => Encoding.UTF8.GetString(output.WrittenSpan);

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
