using System.Text;

namespace OzFunctions.Files;

public sealed class FileNamesTests
{
    public static TheoryData<string> Names() =>
    [
        "runs/82279/8227912345678-019a.json",
        "data/r/1/artifacts/naïve größe 日本語 🎉.txt",
        "data/r/1/artifacts/.tmp-x",
        "data/r/1/artifacts/...",
        "a%2Fb",
        "100%",
        "line\nbreak\ttab\0nul\u007f",
        "back\\slash",
        "lone\ud800surrogate",
        "x/\udc00",
        new string('a', 255),
        new string('a', 300) + "/b",
        new string('ä', 700),
        new string('%', 500),
        string.Concat(Enumerable.Repeat("🎉", 300)),
        "a/" + new string('.', 500),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_name_becomes_a_path_the_disk_takes_and_comes_back(string name)
    {
        var path = FileNames.PathOf(name);

        Assert.All(path.Split('/'), entry =>
        {
            Assert.InRange(new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(entry), 1, 255);
            Assert.False(entry is "" or "." or "..");
            Assert.DoesNotContain('\0', entry);
        });
        Assert.Equal(name, string.Concat(path.Split('/').Select(entry => FileNames.Decode(entry) + (FileNames.IsContinued(entry) ? "" : "/"))).TrimEnd('/'));
    }

    [Fact]
    public void Ordinary_names_are_their_own_paths()
    {
        foreach (var name in new[] { "runs/82279/8227912345678-019a.json", "data/r/1/artifacts/src/größe (1).txt", "data/r/1/artifacts/.github/x", "control.json" })
        {
            Assert.Equal(name, FileNames.PathOf(name));
        }
    }

    [Fact]
    public void Different_names_have_different_paths()
    {
        string[] names = ["a%", "a%25", "a%2525", "a\n", "a%0A", "a\ud800", "a%uD800", "A", "a", "a/b", "a%2Fb", new string('x', 200) + "%+/b", new string('x', 300)];
        Assert.Distinct(names.Select(FileNames.PathOf));
    }

    [Fact]
    public void Names_too_long_for_other_stores_are_refused()
    {
        FileNames.PathOf(new string('a', 1024));
        Assert.Throws<ArgumentException>(() => FileNames.PathOf(new string('a', 1025)));
    }

    [Theory]
    [InlineData("local", "local")]
    [InlineData("gpu/eu", "gpu%2Feu")]
    [InlineData("../x", "%2E.%2Fx")]
    [InlineData("", "%")]
    public void Any_text_becomes_one_file_name(string text, string expected) => Assert.Equal(expected, FileNames.Single(text));

    [Fact]
    public void Long_texts_become_distinct_file_names()
    {
        var (first, second) = (FileNames.Single(new string('w', 500) + "1"), FileNames.Single(new string('w', 500) + "2"));
        Assert.NotEqual(first, second);
        Assert.InRange(first.Length, 1, 200);
    }

    [Theory]
    [InlineData("a%zz")]
    [InlineData("a%2")]
    [InlineData("a%u12")]
    public void Files_that_are_none_of_ours_stand_for_nothing(string entry) => Assert.Null(FileNames.Decode(entry));
}
