using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Masking;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Masking;

public sealed class SecretFormsTests
{
    private const string Hard = "p\"a's $w/o+r\\d~é&<%>#!,(1)=?";
    private const string Key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n";

    public static TheoryData<string> Secrets => ["hunter", "hunter2", "tok_0123456789abcdefghijklmnopqrstuvwxyz", Hard, "#" + Hard, "zwölf Boxkämpfer €", "a b c d e f", Key.TrimEnd(), "{\"user\":\"x\",\"key\":\"abc/def+ghi\"}"];

    [Theory]
    [MemberData(nameof(Secrets))]
    public void It_is_found_as_base64_wherever_it_stands_in_what_was_encoded(string secret)
    {
        var masker = Masker(secret);
        foreach (var (before, after) in (IEnumerable<(string, string)>)[("", ""), ("", "\n"), ("u:", ""), ("user:", "!"), ("x", "yz"), ("xy", "z"), ("xyz", "")])
        {
            var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(before + secret + after));
            foreach (var form in (string[])[encoded, encoded.Replace('+', '-').Replace('/', '_').TrimEnd('='), Uri.EscapeDataString(encoded), JsonSerializer.Serialize(encoded)])
            {
                var masked = masker.MaskText($"Basic {form}.");

                Assert.Contains("***", masked, StringComparison.Ordinal);
                Assert.InRange(masked.Length, 0, "Basic ***.".Length + (3 * 4) + (4 * (before.Length + after.Length)) + 2);
            }
        }

        Assert.Equal("***", masker.MaskText(Convert.ToBase64String(Encoding.UTF8.GetBytes(secret))));
    }

    [Theory]
    [MemberData(nameof(Secrets))]
    public void It_is_found_in_base64_that_is_broken_into_lines_wherever_a_break_stands(string secret)
    {
        var masker = Masker(secret);
        var lines = SecretForms.Wrapped(secret).ToList();
        foreach (var before in Enumerable.Range(0, 80))
        {
            var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(new string('.', before) + secret + "\nNEXT=1\n"));
            foreach (var (width, end) in (IEnumerable<(int, string)>)[(76, "\n"), (64, "\n"), (76, "\r\n"), (60, "\n    "), (76, "\\n"), (76, "\\\\n"), (76, "\n+"), (64, "\n-"), (76, "\n > "), (76, "\n# "), (64, "\n * ")])
            {
                var masked = masker.MaskText(string.Join(end, encoded.Chunk(width).Select(line => new string(line))));

                // Only a piece shorter than what a line's end is looked at for may be left.
                var joined = masked.Replace(end, "", StringComparison.Ordinal);
                Assert.Contains("***", masked, StringComparison.Ordinal);
                Assert.DoesNotContain(lines.Where(line => line.Length >= 8), line => joined.Contains(line[..8], StringComparison.Ordinal));
                Assert.InRange(joined.Length, 0, encoded.Length - (secret.Length * 4 / 3) + 3 + 8);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Secrets))]
    public void It_is_found_as_url_json_and_shell_text(string secret)
    {
        var masker = Masker(secret);
        string[] forms =
        [
            secret,
            Uri.EscapeDataString(secret),
            UrlEncoder.Default.Encode(secret),
            System.Net.WebUtility.UrlEncode(secret),
            System.Net.WebUtility.UrlEncode(secret).Replace("%C3", "%c3", StringComparison.Ordinal).ToLowerInvariant() is var lower && secret.ToLowerInvariant() == secret ? lower : secret,
            Inside(JsonSerializer.Serialize(secret)),
            Inside(JsonSerializer.Serialize(secret, Relaxed)),
            Inside(JsonSerializer.Serialize(Inside(JsonSerializer.Serialize(secret, Relaxed)), Relaxed)),
            secret.Replace("'", "'\\''", StringComparison.Ordinal),
            secret.Replace("'", "'\"'\"'", StringComparison.Ordinal),
            Inside(JsonSerializer.Serialize(secret.Replace("'", "'\\''", StringComparison.Ordinal), Relaxed)),
        ];

        Assert.All(forms, form => Assert.Equal("<***>", masker.MaskText($"<{form}>")));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_key_file_of_thousands_of_characters_is_found_as_json_inside_of_json_and_shells_print_it(bool indented)
    {
        var secret = KeyFile(indented);
        var masker = Masker(secret);
        var plain = Inside(JsonSerializer.Serialize(secret, Relaxed));
        string[] forms =
        [
            secret,
            plain,
            plain.Replace("/", "\\/", StringComparison.Ordinal),
            Inside(JsonSerializer.Serialize(secret)),
            Inside(JsonSerializer.Serialize(plain, Relaxed)),
        ];

        Assert.All(forms, form => Assert.Equal("<***>", masker.MaskText($"<{form}>")));

        // What tools cut to a line of it: the key is in one.
        var line = secret.Split('\n').Single(line => line.Contains("PRIVATE", StringComparison.Ordinal)).Trim();
        Assert.Equal("<***>", masker.MaskText($"<{Inside(JsonSerializer.Serialize(line))}>"));

        Assert.SkipUnless(File.Exists("/bin/bash"), "needs bash");
        var printed = await BashAsync("printf '<%q>' \"$S\"", secret);
        Assert.Equal(indented ? "<$'***'>" : "<***>", masker.MaskText(printed));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("printf %s \"$S\"")]
    [InlineData("printf %q \"$S\"")]
    [InlineData("printf %s \"${S@Q}\"")]
    [InlineData("printf %s \"$S\" | base64")]
    [InlineData("printf %s \"$S\" | base64 -w0")]
    [InlineData("echo \"$S\" | base64 -w0")]
    [InlineData("printf %s \"user:$S\" | base64 -w0")]
    [InlineData("set -x; : \"$S\"")]
    [InlineData("export S; declare -p S")]
    public async Task It_is_found_as_bash_and_its_tools_print_it(string command)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "needs bash");
        foreach (var secret in Secrets)
        {
            var printed = await BashAsync(command, secret.Data);

            var masked = Masker(secret.Data).MaskText(printed);

            Assert.True(masked.Contains("***", StringComparison.Ordinal), printed);

            // At most the name, quotes and the edges of base64 are left.
            Assert.True(masked.Length <= "declare -x S=\"***\"******".Length + 10, masked);
        }
    }

    [Fact]
    public void Each_line_of_a_secret_of_several_lines_is_found_by_itself()
    {
        var masker = Masker(Key);

        Assert.Equal("***", masker.MaskText(Key));
        Assert.Equal("+***\n+***\n", masker.MaskText("+MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n+BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"));
        Assert.Equal("***", masker.MaskText(Key.TrimEnd().ReplaceLineEndings("\r\n")));
        Assert.DoesNotContain("MIIEvQIBADANB", masker.MaskText("x BKcw MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_ends_in_a_newline_is_found_without_it()
    {
        Assert.Equal("a *** b", Masker("hunter2\n").MaskText("a hunter2 b"));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("true", false)]
    [InlineData("12345", false)]
    [InlineData("12345 ", false)]
    [InlineData("Disabled", false)]
    [InlineData("********", false)]
    [InlineData("123456", true)]
    [InlineData("hunter2", true)]
    public void Values_that_ordinary_text_is_full_of_are_not_masked(string value, bool can)
    {
        Assert.Equal(can, SecretSet.CanMask(value));
        Assert.Equal(can, new SecretSet().Add(value));
    }

    [Fact]
    public void A_set_shows_nothing_of_itself() => Assert.DoesNotContain("hunter2", $"{new SecretSet().AddAll(["hunter2"])}", StringComparison.Ordinal);

    private static JsonSerializerOptions Relaxed { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>As a cloud gives it out for a service account.</summary>
    private static string KeyFile(bool indented)
    {
        var bytes = new byte[1_216];
        new Random(1).NextBytes(bytes);
        var key = string.Concat(Convert.ToBase64String(bytes).Chunk(64).Select(line => new string(line) + "\n"));
        var fields = new Dictionary<string, string>
        {
            ["type"] = "service_account",
            ["project_id"] = "some-project",
            ["private_key_id"] = "0123456789abcdef0123456789abcdef01234567",
            ["private_key"] = $"-----BEGIN PRIVATE KEY-----\n{key}-----END PRIVATE KEY-----\n",
            ["client_email"] = "robot@some-project.iam.gserviceaccount.com",
            ["token_uri"] = "https://oauth2.googleapis.com/token",
        };
        return JsonSerializer.Serialize(fields, new JsonSerializerOptions(Relaxed) { WriteIndented = indented });
    }

    private static string Inside(string json) => json[1..^1];

    private static Masker Masker(string secret) => new SecretSet().AddAll([secret]).CreateMasker();

    private static async Task<string> BashAsync(string command, string secret)
    {
        await using var bash = TestProcess.Start("/bin/bash", ["-c", $"S=\"$1\"; exec 2>&1; {command}", "bash", secret], new Dictionary<string, string?> { ["LC_ALL"] = "C.UTF-8" });
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        return string.Join('\n', bash.Output);
    }
}
