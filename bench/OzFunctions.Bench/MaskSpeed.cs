using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using OzFunctions.Masking;

namespace OzFunctions.Bench;

/// <summary>80-byte lines through a masker of 20 secrets, one core: of lines that hold none, and of lines of which one in ten does.</summary>
internal static class MaskSpeed
{
    private const int Piece = 64 << 10;

    public static void Measure(Report report, long bytes)
    {
        var secrets = Enumerable.Range(0, 20).Select(i => Convert.ToBase64String(RandomNumberGenerator.GetBytes(15 + i))).ToList();
        var masker = new SecretSet().AddAll(secrets).CreateMasker();
        string[] words = ["Compiling", "src/lib.rs", "warning:", "the value", "tests/unit.py::test_one", "PASSED", "in 0.02s", "error", "at line 17", "a1b2c3d4", "https://example.com/x"];
        var random = new Random(1);
        var lines = new StringBuilder();
        var withSecrets = new StringBuilder();
        for (var i = 0; i < 40_000; i++)
        {
            var line = "";
            while (line.Length < 79)
            {
                line += words[random.Next(words.Length)] + " ";
            }

            lines.Append(line.AsSpan(0, 79)).Append('\n');
            withSecrets.Append((i % 10 == 0 ? secrets[i / 10 % 20] + " " + line : line).AsSpan(0, 79)).Append('\n');
        }

        var rate = Rate(masker, Encoding.UTF8.GetBytes(lines.ToString()), bytes);
        report.Add("masker MB/s", rate, "MB/s", null, null, "≥ 200", rate >= 200);
        report.Add("masker MB/s, a secret in each tenth line", Rate(masker, Encoding.UTF8.GetBytes(withSecrets.ToString()), bytes), "MB/s");
    }

    private static double Rate(Masker masker, byte[] text, long bytes)
    {
        var output = new ArrayBufferWriter<byte>(2 * Piece);
        var stream = masker.OpenStream();
        Pass(Math.Min(bytes, 32 << 20));
        var began = Stopwatch.GetTimestamp();
        var passed = Pass(bytes);
        return passed / Stopwatch.GetElapsedTime(began).TotalSeconds / 1e6;

        long Pass(long most)
        {
            var done = 0L;
            while (done < most)
            {
                for (var at = 0; at < text.Length; at += Piece)
                {
                    output.ResetWrittenCount();
                    stream.Write(text.AsSpan(at, Math.Min(Piece, text.Length - at)), output);
                }

                done += text.Length;
            }

            return done;
        }
    }
}
