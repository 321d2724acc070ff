using System.Buffers;

namespace OzFunctions.Masking;

/// <summary>
/// Masks one stream, however it is cut into pieces. Held back is only what may still become part of a secret, and secrets that may still grow; a new
/// stream that is given what this one holds goes on as this one would.
/// </summary>
public sealed class MaskStream
{
    /// <summary>
    /// Longest chain of overlapping occurrences beside the longest pattern: a value that overlaps itself, repeated for megabytes, must not be held for ever.
    /// </summary>
    internal const int MostHeld = 64 << 10;

    /// <summary>Line end, indent and marks of quotation, written in JSON inside of JSON; what is longer stands between two things, not inside of one, and is not held.</summary>
    private const int LongestBreak = 32;

    private readonly Masker _masker;
    private readonly PatternTree _tree;
    private readonly List<(int Start, int End)> _found = [];

    // Where line breaks stand inside of what is begun.
    private readonly List<(int Start, int Length)> _breaks = [];
    private byte[] _held = [];
    private int _length;
    private int _state = PatternTree.Root;

    internal MaskStream(Masker masker) => (_masker, _tree) = (masker, masker.Tree);

    /// <summary>How often <c>***</c> was written.</summary>
    public long Masked { get; private set; }

    /// <summary>What was taken in and not written yet. Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Held => _held.AsMemory(0, _length);

    /// <summary>Takes the next bytes and writes what is decided.</summary>
    public void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        if (_tree.IsEmpty)
        {
            output.Write(bytes);
        }
        else if (_length == 0)
        {
            Hold(bytes[Scan(bytes, 0, output)..]);
        }
        else
        {
            var before = _length;
            Hold(bytes);
            var done = Scan(_held.AsSpan(0, _length), before, output);
            _held.AsSpan(done, _length - done).CopyTo(_held);
            _length -= done;
        }
    }

    /// <summary>Nothing follows: writes what was held. The stream may be used again from its beginning.</summary>
    public void Complete(IBufferWriter<byte> output)
    {
        var text = _held.AsSpan(0, _length);
        var done = Release(text, 0, int.MaxValue, output);
        output.Write(text[done..]);
        (_length, _state) = (0, PatternTree.Root);
        _breaks.Clear();
    }

    private void Hold(ReadOnlySpan<byte> bytes)
    {
        if (_held.Length - _length < bytes.Length)
        {
            Array.Resize(ref _held, Math.Max(_length + bytes.Length, Math.Max(256, _held.Length * 2)));
        }

        bytes.CopyTo(_held.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>Reads on from a place in the text; answers up to where it was written.</summary>
    private int Scan(ReadOnlySpan<byte> text, int at, IBufferWriter<byte> output)
    {
        var done = 0;
        var state = _state;
        while (true)
        {
            if (state == PatternTree.Root)
            {
                at = _tree.Skip(text, at);
            }

            if (at >= text.Length)
            {
                break;
            }

            state = Step(state, text, at++);
            if (LongestAt(state, at) is > 0 and var length)
            {
                Add(StartOf(length, at), at);
            }

            state = Whole(_tree.Settle(state), at);
            if (_found.Count > 0)
            {
                var open = StartOf(_tree.DepthOf(state), at);
                done = Release(text, done, open, output);
                if (_found.Count > 0 && at - Math.Min(_found[0].Start, open) >= _masker.MostHeld)
                {
                    // What follows is read as if it were the beginning of a text.
                    at = done = Release(text, done, int.MaxValue, output);
                    state = PatternTree.Root;
                    _breaks.Clear();
                }
            }
        }

        _state = state;
        var hold = StartOf(_tree.DepthOf(state), text.Length);
        if (_found.Count > 0)
        {
            hold = Math.Min(hold, _found[0].Start);
            for (var i = 0; i < _found.Count; i++)
            {
                _found[i] = (_found[i].Start - hold, _found[i].End - hold);
            }
        }

        _breaks.RemoveAll(line => line.Start < hold);
        for (var i = 0; i < _breaks.Count; i++)
        {
            _breaks[i] = (_breaks[i].Start - hold, _breaks[i].Length);
        }

        output.Write(text[done..hold]);
        return hold;
    }

    /// <summary>The state behind the byte at a place. A line break is passed over where what is begun may be broken there.</summary>
    private int Step(int state, ReadOnlySpan<byte> text, int at)
    {
        var next = _tree.Step(state, text[at]);
        if (state != PatternTree.Root && IsBreak(text, at))
        {
            var broken = state;
            while (broken != PatternTree.Root && (!_tree.Wraps(broken) || _tree.DepthOf(broken) < PatternTree.LeastBeforeBreak || IsTorn(broken, at)))
            {
                broken = _tree.Shorten(broken);
            }

            // The letter of \n may be the next one of what is begun as well: behind its backslash it is not.
            if (_tree.DepthOf(broken) > _tree.DepthOf(next) || (broken != PatternTree.Root && IsBehindBreak(at) && char.IsAsciiLetter((char)text[at])))
            {
                AddBreak(at);
                return broken;
            }
        }

        if (state != PatternTree.Root && IsBehindOtherSign(text, at) && _tree.Step(_tree.WithoutLast(state), text[at]) is var own && _tree.DepthOf(own) > _tree.DepthOf(next))
        {
            // What was read as the line's own sign was the patch's: where one alphabet of base64 has the one, the other has the other.
            AddBreak(at - 1);
            next = own;
        }

        return Whole(next, at + 1);
    }

    /// <summary>
    /// A line feed, also as JSON has it inside of a text, with what stands around it: the indent, marks of a quotation, a comment or a list, the sign of a patch.
    /// </summary>
    private bool IsBreak(ReadOnlySpan<byte> text, int at) =>
        !(IsBehindBreak(at) && _breaks[^1].Length >= LongestBreak) && text[at] switch
        {
            (byte)'\n' or (byte)'\r' or (byte)'\\' => true,
            (byte)' ' or (byte)'\t' or (byte)'>' or (byte)'#' or (byte)'|' or (byte)'*' => IsBehindBreak(at),
            (byte)'+' or (byte)'-' => IsSign(text, at),
            (byte)'n' or (byte)'r' => IsBehindBreak(at) && text[at - 1] == (byte)'\\',
            _ => false,
        };

    /// <summary>One at the head of a line. Base64 has them too: of those in a row any may be the sign, and it is the first that does not go on with what is begun.</summary>
    private bool IsSign(ReadOnlySpan<byte> text, int at)
    {
        var first = at;
        while (first > 0 && at - first < LongestBreak && text[first - 1] == text[at])
        {
            first--;
        }

        return IsBehindBreak(first);
    }

    /// <summary>Plus behind minus, or minus behind plus, the first of them at the head of a line.</summary>
    private bool IsBehindOtherSign(ReadOnlySpan<byte> text, int at) =>
        _breaks.Count > 0 && IsBehindBreak(at - 1) && (text[at - 1], text[at]) is ((byte)'+', (byte)'-') or ((byte)'-', (byte)'+');

    private bool IsBehindBreak(int at) => _breaks.Count > 0 && _breaks[^1].Start + _breaks[^1].Length == at;

    private void AddBreak(int at)
    {
        if (IsBehindBreak(at))
        {
            _breaks[^1] = (_breaks[^1].Start, _breaks[^1].Length + 1);
        }
        else
        {
            _breaks.Add((at, 1));
        }
    }

    /// <summary>The longest beginning that no line break stands in, or only where it may.</summary>
    private int Whole(int state, int end)
    {
        if (_breaks.Count > 0)
        {
            while (state != PatternTree.Root && IsTorn(state, end))
            {
                state = _tree.Shorten(state);
            }

            Forget(state, end);
        }

        return state;
    }

    /// <summary>Line breaks before what is begun: a text may have one every few bytes and never be at the root.</summary>
    private void Forget(int state, int end)
    {
        if (state == PatternTree.Root)
        {
            _breaks.Clear();
            return;
        }

        var start = StartOf(_tree.DepthOf(state), end);
        var gone = 0;
        while (gone < _breaks.Count && _breaks[gone].Start < start)
        {
            gone++;
        }

        _breaks.RemoveRange(0, gone);
    }

    private int LongestAt(int state, int end)
    {
        if (IsBehindBreak(end))
        {
            return 0;
        }

        var length = _tree.LongestAt(state);
        while (length > 0 && _breaks.Count > 0)
        {
            while (_tree.DepthOf(state) > length)
            {
                state = _tree.Shorten(state);
            }

            if (!IsTorn(state, end))
            {
                break;
            }

            state = _tree.Shorten(state);
            length = _tree.LongestAt(state);
        }

        return length;
    }

    private bool IsTorn(int state, int end)
    {
        var start = StartOf(_tree.DepthOf(state), end);
        var first = _breaks.FindIndex(line => line.Start >= start);
        return first >= 0 && (!_tree.Wraps(state) || _breaks[first].Start - start < PatternTree.LeastBeforeBreak);
    }

    /// <summary>Where a number of bytes that end at a place begin, line breaks not counted.</summary>
    private int StartOf(int length, int end)
    {
        var start = end - length;
        for (var i = _breaks.Count - 1; i >= 0 && length > 0 && _breaks[i].Start + _breaks[i].Length > start; i--)
        {
            start -= _breaks[i].Length;
        }

        return start;
    }

    private void Add(int start, int end)
    {
        while (_found.Count > 0 && _found[^1].End > start)
        {
            start = Math.Min(start, _found[^1].Start);
            _found.RemoveAt(_found.Count - 1);
        }

        _found.Add((start, end));
    }

    /// <summary>Writes the finds that end before a place, and all before them; answers where the last one ends.</summary>
    private int Release(ReadOnlySpan<byte> text, int done, int before, IBufferWriter<byte> output)
    {
        var count = 0;
        for (; count < _found.Count && _found[count].End <= before; count++)
        {
            output.Write(text[done.._found[count].Start]);
            output.Write(Masker.Mask);
            done = _found[count].End;
            Masked++;
        }

        _found.RemoveRange(0, count);
        return done;
    }
}
