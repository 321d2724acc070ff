namespace OzFunctions.Masking;

/// <summary>
/// Finds many byte patterns in one pass (Aho–Corasick). A state is the longest end of the text read so far with which a pattern begins and may go on.
/// Where no pattern is begun, a table over three bytes says how far the next one is at least, so that most of a text is never looked at.
/// </summary>
/// <remarks>Wrapped patterns are those that a text may break into lines behind their first <see cref="LeastBeforeBreak"/> bytes; the tree knows only which they are.
/// A pattern with which a wrapped one begins counts as wrapped.</remarks>
internal sealed class PatternTree
{
    public const int Root = 0;

    /// <summary>Fewer bytes at the end of a line are in ordinary text too often to be kept back until more is read.</summary>
    public const int LeastBeforeBreak = 4;

    private const int Bytes = 256;
    private const int None = -1;
    private const int HashBits = 16;
    private const int Window = 3;
    private const int Piece = 1_024;

    // What follows a state: one state, or where its row of 256 begins, negative; its only byte is in _bytes.
    private readonly List<int> _next = [];
    private readonly List<byte> _bytes = [];
    private readonly List<int> _depths = [];
    private readonly List<int> _parents = [];
    private readonly List<int> _rows = [];
    private readonly List<bool> _wraps = [];
    private readonly int[] _nextOf;
    private readonly byte[] _byteOf;
    private readonly int[] _depthOf;
    private readonly int[] _parentOf;
    private readonly int[] _rowOf;
    private readonly bool[] _wrapsOf;
    private readonly int[] _fallback;
    private readonly int[] _longest;
    private readonly byte[]? _shifts;
    private readonly byte[]? _shiftsBeforeBreak;
    private readonly int _least;

    public PatternTree(IReadOnlyCollection<byte[]> patterns, IReadOnlyCollection<byte[]> wrapped)
    {
        NewState(0, Root);
        _rows.AddRange(Enumerable.Repeat(None, Bytes));
        _next[Root] = RowMark(0);
        patterns = [.. patterns.Where(pattern => pattern.Length > 0)];
        wrapped = [.. wrapped.Where(pattern => pattern.Length > 0)];
        int[] ends = [.. patterns.Select(pattern => Insert(pattern, wrapped: false)), .. wrapped.Select(pattern => Insert(pattern, wrapped: true))];
        (_nextOf, _byteOf, _depthOf, _parentOf, _rowOf, _wrapsOf) = ([.. _next], [.. _bytes], [.. _depths], [.. _parents], [.. _rows], [.. _wraps]);
        (_next, _bytes, _depths, _parents, _rows, _wraps) = ([], [], [], [], [], []);
        _fallback = new int[_nextOf.Length];
        _longest = new int[_nextOf.Length];
        foreach (var end in ends)
        {
            _longest[end] = _depthOf[end];
        }

        Link();
        IsEmpty = ends.Length == 0;
        Longest = IsEmpty ? 0 : ends.Max(end => _depthOf[end]);
        _least = IsEmpty ? 0 : Math.Min(ends.Min(end => _depthOf[end]), byte.MaxValue);
        _shifts = _least >= Window ? MakeShifts(patterns.Concat(wrapped), _least) : null;
        _shiftsBeforeBreak = wrapped.Count > 0 && _least > LeastBeforeBreak ? MakeShifts(wrapped, LeastBeforeBreak) : null;
    }

    public bool IsEmpty { get; }

    /// <summary>Length of the longest pattern.</summary>
    public int Longest { get; }

    /// <summary>From where on a pattern may begin, in a text in which none is begun.</summary>
    public int Skip(ReadOnlySpan<byte> text, int at)
    {
        if (_shifts is null)
        {
            return at;
        }

        while (true)
        {
            // By pieces: what lies behind a broken pattern is looked at again from there.
            var piece = text[..Math.Min(text.Length, at + Piece)];
            var next = SkipWhole(piece, at, out var mayBegin);
            if (_shiftsBeforeBreak is { } shifts && SkipBroken(piece, at, next, shifts) is var broken && broken < next)
            {
                return broken;
            }

            at = next;
            if (mayBegin || piece.Length == text.Length)
            {
                return at;
            }
        }
    }

    /// <summary>The state behind one more byte; it may be an <see cref="Settle">unsettled</see> one.</summary>
    public int Step(int state, byte value)
    {
        while (true)
        {
            var next = Follow(state, value);
            if (next >= 0)
            {
                return next;
            }

            if (state == Root)
            {
                return Root;
            }

            state = _fallback[state];
        }
    }

    /// <summary>Length of the longest pattern that ends here; 0: none does.</summary>
    public int LongestAt(int state) => _longest[state];

    /// <summary>Leaves a state behind which nothing can follow for the longest one behind which something can.</summary>
    public int Settle(int state)
    {
        while (_nextOf[state] == None)
        {
            state = _fallback[state];
        }

        return state;
    }

    /// <summary>The next shorter end of the same text with which a pattern begins.</summary>
    public int Shorten(int state) => _fallback[state];

    /// <summary>What is begun without its last byte.</summary>
    public int WithoutLast(int state) => _parentOf[state];

    /// <summary>Whether what is begun is a wrapped pattern.</summary>
    public bool Wraps(int state) => _wrapsOf[state];

    /// <summary>How many of the last bytes may be the beginning of a pattern.</summary>
    public int DepthOf(int state) => _depthOf[state];

    /// <summary>As if no text were broken into lines.</summary>
    private int SkipWhole(ReadOnlySpan<byte> text, int at, out bool mayBegin)
    {
        mayBegin = false;
        for (var end = at + _least; end <= text.Length;)
        {
            var shift = _shifts![Hash(text[end - 3], text[end - 2], text[end - 1])];
            if (shift == 0)
            {
                mayBegin = true;
                return end - _least;
            }

            at = (end += shift) - _least;
        }

        return at;
    }

    /// <summary>The first place before another where a wrapped pattern may begin so near to a line break that <see cref="SkipWhole"/> does not see it.</summary>
    private int SkipBroken(ReadOnlySpan<byte> text, int at, int before, byte[] shifts)
    {
        var last = Math.Min(text.Length, before + _least);
        for (var from = at + LeastBeforeBreak; from < last;)
        {
            var offset = text[from..last].IndexOfAny((byte)'\n', (byte)'\r', (byte)'\\');
            if (offset < 0)
            {
                break;
            }

            var lineEnd = from + offset;
            for (var end = Math.Max(at, lineEnd - _least + 1) + LeastBeforeBreak; end <= lineEnd && end - LeastBeforeBreak < before;)
            {
                var shift = shifts[Hash(text[end - 3], text[end - 2], text[end - 1])];
                if (shift == 0)
                {
                    return end - LeastBeforeBreak;
                }

                end += shift;
            }

            from = lineEnd + 1;
        }

        return before;
    }

    private static int RowMark(int row) => -2 - row;

    private static int Hash(byte first, byte second, byte third) => (int)(((uint)(first | (second << 8) | (third << 16)) * 0x9E3779B1u) >> (32 - HashBits));

    private int Follow(int state, byte value)
    {
        var next = _nextOf[state];
        return next >= 0 ? (_byteOf[state] == value ? next : None)
            : next == None ? None
            : _rowOf[(-2 - next) + value];
    }

    private int NewState(int depth, int parent)
    {
        _next.Add(None);
        _bytes.Add(0);
        _depths.Add(depth);
        _parents.Add(parent);
        _wraps.Add(false);
        return _next.Count - 1;
    }

    private int Insert(byte[] pattern, bool wrapped)
    {
        var state = Root;
        foreach (var value in pattern)
        {
            state = Child(state, value);
            _wraps[state] |= wrapped;
        }

        return state;
    }

    private int Child(int state, byte value)
    {
        var next = _next[state];
        if (next == None)
        {
            _bytes[state] = value;
            return _next[state] = NewState(_depths[state] + 1, state);
        }

        if (next >= 0)
        {
            if (_bytes[state] == value)
            {
                return next;
            }

            // The second child: from now on a row.
            var row = _rows.Count;
            _rows.AddRange(Enumerable.Repeat(None, Bytes));
            _rows[row + _bytes[state]] = next;
            _next[state] = next = RowMark(row);
        }

        ref var slot = ref System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_rows)[(-2 - next) + value];
        return slot >= 0 ? slot : slot = NewState(_depths[state] + 1, state);
    }

    private void Link()
    {
        var waiting = new Queue<int>([Root]);
        while (waiting.TryDequeue(out var state))
        {
            foreach (var (value, child) in Children(state))
            {
                _fallback[child] = state == Root ? Root : Step(_fallback[state], value);
                _longest[child] = Math.Max(_longest[child], _longest[_fallback[child]]);
                waiting.Enqueue(child);
            }
        }
    }

    private IEnumerable<(byte Value, int State)> Children(int state)
    {
        var next = _nextOf[state];
        if (next >= 0)
        {
            yield return (_byteOf[state], next);
        }
        else if (next != None)
        {
            for (var value = 0; value < Bytes; value++)
            {
                if (_rowOf[(-2 - next) + value] is >= 0 and var child)
                {
                    yield return ((byte)value, child);
                }
            }
        }
    }

    /// <summary>For each three bytes: how far the place that is looked at can be moved without passing the beginning of a pattern, of which so many bytes are known.</summary>
    private static byte[] MakeShifts(IEnumerable<byte[]> patterns, int known)
    {
        var shifts = new byte[1 << HashBits];
        Array.Fill(shifts, (byte)(known - Window + 1));
        foreach (var pattern in patterns)
        {
            for (var end = Window; end <= known; end++)
            {
                ref var shift = ref shifts[Hash(pattern[end - 3], pattern[end - 2], pattern[end - 1])];
                shift = (byte)Math.Min(shift, known - end);
            }
        }

        return shifts;
    }
}
