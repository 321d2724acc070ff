using System.Text;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Spool;

public sealed class SpoolTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    private string Spool => _temp.Sub("spool");

    public void Dispose() => _temp.Dispose();

    private static string TextOf(SpoolRecord record) => Encoding.UTF8.GetString(record.Bytes.Span);

    private List<(SpoolRecord Record, string Text)> ReadAll(SpoolPosition from)
    {
        using var reader = new SpoolReader(Spool, from);
        var all = new List<(SpoolRecord, string)>();
        while (reader.TryRead(out var record))
        {
            all.Add((record, TextOf(record)));
        }

        return all;
    }

    [Fact]
    public void A_reader_gets_what_was_written_in_order_with_stream_and_time()
    {
        using var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System);
        var before = TimeProvider.System.GetUtcNow();
        writer.Append(SpoolStream.AgentOut, "one\n"u8);
        writer.Append(SpoolStream.AgentErr, "two\n"u8);

        var all = ReadAll(SpoolPosition.Start);

        Assert.Equal([(SpoolStream.AgentOut, "one\n", 0L), (SpoolStream.AgentErr, "two\n", 1L)], all.Select(piece => (piece.Record.Stream, piece.Text, piece.Record.Sequence)));
        Assert.InRange(all[0].Record.Time, before.AddMilliseconds(-1), TimeProvider.System.GetUtcNow());
        Assert.Equal(default, all[1].Record.Cut);
        Assert.Equal(writer.Position, all[1].Record.End);
    }

    [Fact]
    public void A_reader_follows_across_segments_and_goes_on_from_any_position()
    {
        using var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System);
        using var follower = new SpoolReader(Spool, SpoolPosition.Start);
        Assert.False(follower.TryRead(out _));
        var ends = new List<SpoolPosition>();
        for (var i = 0; i < 40; i++)
        {
            writer.Append(SpoolStream.SetupOut, Encoding.UTF8.GetBytes(new string((char)('a' + (i % 26)), 9_000)));
            Assert.True(follower.TryRead(out var record));
            Assert.Equal((char)('a' + (i % 26)), (char)record.Bytes.Span[^1]);
            Assert.Equal(default, record.Cut);
            ends.Add(record.End);
            Assert.False(follower.TryRead(out _));
        }

        Assert.True(ends[^1].Segment > 2);
        for (var i = 0; i < 39; i++)
        {
            var rest = ReadAll(ends[i]);
            Assert.Equal(39 - i, rest.Count);
            Assert.Equal(i + 1, rest[0].Record.Sequence);
            Assert.All(rest, piece => Assert.Equal(default, piece.Record.Cut));
        }
    }

    [Fact]
    public void A_full_spool_keeps_head_and_tail_and_counts_what_it_cut()
    {
        using var writer = new SpoolWriter(Spool, 256 << 10, TimeProvider.System);
        var written = 0L;
        for (var i = 0; i < 2_000; i++)
        {
            var line = Encoding.UTF8.GetBytes($"{i} {new string('x', 990)}\n");
            written += line.Length;
            writer.Append(SpoolStream.AgentOut, line);
        }

        var all = ReadAll(SpoolPosition.Start);

        Assert.StartsWith("0 ", all[0].Text, StringComparison.Ordinal);
        Assert.StartsWith("1999 ", all[^1].Text, StringComparison.Ordinal);
        var cut = Assert.Single(all, piece => piece.Record.Cut != default).Record.Cut;
        Assert.Equal(2_000, all.Count + cut.Records);
        Assert.Equal(2_000, all.Count + cut.Lines);
        Assert.Equal(written, all.Sum(piece => (long)piece.Record.Bytes.Length) + cut.Bytes);
        Assert.InRange(new DirectoryInfo(Spool).EnumerateFiles().Sum(file => file.Length), 200 << 10, 280 << 10);
        var kept = all.FindIndex(piece => piece.Record.Cut != default);
        Assert.InRange(all.Take(kept).Sum(piece => piece.Record.Bytes.Length), 110 << 10, 130 << 10);
    }

    [Fact]
    public void A_reader_that_is_overtaken_by_the_cut_is_told_exactly_what_it_missed()
    {
        using var writer = new SpoolWriter(Spool, 256 << 10, TimeProvider.System);
        using var reader = new SpoolReader(Spool, SpoolPosition.Start);
        var read = 0L;
        var missed = 0L;
        for (var i = 0; i < 2_000; i++)
        {
            writer.Append(SpoolStream.AgentOut, Encoding.UTF8.GetBytes($"{i} {new string('x', 990)}\n"));
            if (i is < 400 or 1_999)
            {
                while (reader.TryRead(out var record))
                {
                    read++;
                    missed += record.Cut.Records;
                }
            }
        }

        Assert.Equal(2_000, read + missed);
        Assert.True(missed > 1_000);
    }

    [Fact]
    public void A_torn_end_reads_as_nothing_yet_at_every_byte()
    {
        using (var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System))
        {
            writer.Append(SpoolStream.AgentOut, "whole"u8);
            writer.Append(SpoolStream.AgentOut, "the torn one"u8);
        }

        var path = SpoolFormat.PathOf(Spool, 0);
        var sound = File.ReadAllBytes(path);
        var last = SpoolFormat.HeaderSize + "the torn one".Length;
        for (var missing = 1; missing < last; missing++)
        {
            File.WriteAllBytes(path, sound[..^missing]);
            Assert.Equal("whole", Assert.Single(ReadAll(SpoolPosition.Start)).Text);

            var zeroed = sound.ToArray();
            zeroed.AsSpan(zeroed.Length - missing).Clear();
            File.WriteAllBytes(path, zeroed);
            Assert.Equal("whole", Assert.Single(ReadAll(SpoolPosition.Start)).Text);
        }
    }

    /// <summary>A run can write to its spool: a hole of gigabytes costs it nothing, and must cost its host as little.</summary>
    [Fact]
    public void A_segment_of_gigabytes_takes_no_memory_of_who_reads_it()
    {
        using (var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System))
        {
            writer.Append(SpoolStream.AgentOut, "one\n"u8);
        }

        using (var file = File.OpenHandle(Directory.GetFiles(Spool).Single(), FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(file, 5L << 30);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        using var next = new SpoolWriter(Spool, 1 << 20, TimeProvider.System);
        using var reader = new SpoolReader(Spool, new SpoolPosition(0, 4L << 30));

        Assert.Equal(1, next.Totals.Records);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
    }

    [Fact]
    public void A_half_written_record_is_read_once_it_is_whole()
    {
        using (var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System))
        {
            writer.Append(SpoolStream.AgentOut, "first"u8);
            writer.Append(SpoolStream.AgentOut, "second"u8);
        }

        var path = SpoolFormat.PathOf(Spool, 0);
        var sound = File.ReadAllBytes(path);
        File.WriteAllBytes(path, sound[..^4]);
        using var reader = new SpoolReader(Spool, SpoolPosition.Start);
        Assert.True(reader.TryRead(out _));
        Assert.False(reader.TryRead(out _));

        File.WriteAllBytes(path, sound);

        Assert.True(reader.TryRead(out var second));
        Assert.Equal("second", TextOf(second));
    }

    [Fact]
    public void A_new_writer_goes_on_behind_a_torn_end_and_readers_pass_over_it()
    {
        using (var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System))
        {
            writer.Append(SpoolStream.Host, "kept\n"u8);
            writer.Append(SpoolStream.Host, "torn\n"u8);
        }

        var path = SpoolFormat.PathOf(Spool, 0);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^2]);
        using (var writer = new SpoolWriter(Spool, 1 << 20, TimeProvider.System))
        {
            writer.Append(SpoolStream.Host, "after\n"u8);
        }

        var all = ReadAll(SpoolPosition.Start);

        Assert.Equal(["kept\n", "after\n"], all.Select(piece => piece.Text));
        Assert.Equal([0L, 1L], all.Select(piece => piece.Record.Sequence));
        Assert.Equal(default, all[1].Record.Cut);
    }

    [Fact]
    public void A_position_in_a_segment_that_was_cut_goes_on_behind_the_cut()
    {
        using var writer = new SpoolWriter(Spool, 256 << 10, TimeProvider.System);
        var position = default(SpoolPosition);
        for (var i = 0; i < 1_000; i++)
        {
            writer.Append(SpoolStream.AgentOut, Encoding.UTF8.GetBytes($"{i} {new string('x', 990)}\n"));
            if (i == 300)
            {
                position = writer.Position;
            }
        }

        var rest = ReadAll(position);

        Assert.NotEqual(default, rest[0].Record.Cut);
        Assert.StartsWith("999 ", rest[^1].Text, StringComparison.Ordinal);
    }
}
