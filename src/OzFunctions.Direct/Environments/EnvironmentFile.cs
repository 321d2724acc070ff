using System.Text;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Environments;

/// <summary>
/// Reads <c>$OZ_ENVIRONMENT_FILE</c>: dotenv (<c>NAME=value</c>, <c>NAME: value</c>, <c>export</c>, comments, quotes, <c>$NAME</c> of names further up)
/// and blocks <c>NAME&lt;&lt;EOF</c> … <c>EOF</c>. A fault ends the run, with its line number.
/// </summary>
internal sealed class EnvironmentFile
{
    private const int MostBytes = 1 << 20;
    private const int MostGuessed = 20_000;

    /// <summary>Characters of all values, with what they name put in: a file of 1 MiB could mean terabytes.</summary>
    private const int MostExpanded = 4 << 20;

    private readonly string _text;
    private readonly Dictionary<string, string> _values;
    private readonly List<KeyValuePair<string, string>> _order = [];
    private int _position;
    private int _line = 1;
    private int _expanded;

    // Where what is read begins, or began when a fault was found.
    private int _statement;

    private EnvironmentFile(string text, Dictionary<string, string> values) => (_text, _values) = (text, values);

    /// <summary>The variables in the order in which they were written; an absent file has none.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Read(string path)
    {
        if (Libc.FindFacts(path) is null)
        {
            return [];
        }

        using var file = RegularFile.TryOpen(path, root: null, out var reason, out var length);
        if (file is null || length > MostBytes)
        {
            throw new EnvironmentFileException(1, file is null ? $"it is no plain file but {reason}" : "it is larger than 1 MiB");
        }

        var bytes = new byte[length];
        var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return Parse(bytes.AsSpan(0, read));
    }

    /// <summary>
    /// What a file that is wrong somewhere may have been meant to say, for whoever must know its secrets: no command is given any of it. Only faults of the disk are thrown.
    /// </summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Guess(string path)
    {
        try
        {
            return Read(path);
        }
        catch (EnvironmentFileException)
        {
            using var file = RegularFile.TryOpen(path, root: null, out _, out _);
            if (file is null)
            {
                return [];
            }

            using var reader = new StreamReader(file, Encoding.UTF8);
            var buffer = new char[MostBytes];
            return GuessAll(new string(buffer, 0, reader.ReadBlock(buffer, 0, buffer.Length)));
        }
    }

    /// <summary>What stands before the fault, then each line that can be read by itself, and what the others look like.</summary>
    private static IReadOnlyList<KeyValuePair<string, string>> GuessAll(string text)
    {
        var file = Of(text);
        if (file.TryReadAll())
        {
            return file._order;
        }

        var lines = file._text[file._statement..].Split('\n');
        var guessed = file._order.ToList();
        var expanded = file._expanded;
        foreach (var line in lines.Select(line => new EnvironmentFile(line, file._values) { _expanded = expanded }))
        {
            _ = line.TryReadAll();
            guessed.AddRange(line._order);
            expanded = line._expanded;
            if (expanded > MostExpanded || guessed.Count > MostGuessed)
            {
                break;
            }
        }

        return [.. guessed.Concat(EnvironmentGuess.Of(lines)).Take(MostGuessed)];
    }

    private static EnvironmentFile Of(string text) => new(text.Replace("\r\n", "\n", StringComparison.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));

    private bool TryReadAll()
    {
        try
        {
            ReadAll();
            return true;
        }
        catch (EnvironmentFileException)
        {
            return false;
        }
    }

    public static IReadOnlyList<KeyValuePair<string, string>> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw new EnvironmentFileException(1 + bytes[..Math.Max(0, exception.Index)].Count((byte)'\n'), "it holds bytes that are not UTF-8");
        }

        if (text.IndexOf('\0') is >= 0 and var at)
        {
            throw new EnvironmentFileException(1 + text.AsSpan(0, at).Count('\n'), "it holds a NUL character");
        }

        var file = Of(text);
        file.ReadAll();
        return file._order;
    }

    private void ReadAll()
    {
        while (_position < _text.Length)
        {
            _statement = _position;
            SkipSpaces();
            if (AtEndOfLine())
            {
                NextLine();
            }
            else if (_text[_position] == '#')
            {
                ReadLine();
            }
            else
            {
                ReadAssignment();
            }
        }
    }

    private void ReadAssignment()
    {
        var name = ReadName();
        if (name == "export" && !AtEndOfLine() && _text[_position] is ' ' or '\t')
        {
            SkipSpaces();
            name = ReadName();
        }

        SkipSpaces();
        if (Follows("<<"))
        {
            _position += 2;
            Add(name, ReadBlock(name));
            return;
        }

        if (AtEndOfLine() || _text[_position] is not ('=' or ':'))
        {
            throw Wrong("NAME=value, NAME: value, a comment or a block NAME<<END is expected");
        }

        _position++;
        SkipSpaces();
        Add(name, AtEndOfLine() ? "" : _text[_position] switch
        {
            '\'' => ReadQuoted('\''),
            '"' => ReadQuoted('"'),
            _ => ReadPlain(),
        });
        NextLine();
    }

    private string ReadName()
    {
        var start = _position;
        while (_position < _text.Length && (char.IsAsciiLetterOrDigit(_text[_position]) || _text[_position] is '_' or '.'))
        {
            _position++;
        }

        return _position > start && !char.IsAsciiDigit(_text[start])
            ? _text[start.._position]
            : throw Wrong("a name is expected: letters, digits and _, not beginning with a digit");
    }

    private string ReadPlain()
    {
        var raw = ReadLine(advance: false);
        for (var at = 0; at < raw.Length; at++)
        {
            if (raw[at] == '#' && (at == 0 || raw[at - 1] is ' ' or '\t'))
            {
                raw = raw[..at];
                break;
            }
        }

        return Expand(raw.TrimEnd(), escapes: false);
    }

    private string ReadQuoted(char quote)
    {
        var startLine = _line;
        var start = ++_position;
        while (_position < _text.Length && _text[_position] != quote)
        {
            if (_text[_position] == '\\' && quote == '"' && _position + 1 < _text.Length)
            {
                _position++;
            }

            if (_text[_position] == '\n')
            {
                _line++;
            }

            _position++;
        }

        if (_position >= _text.Length)
        {
            throw new EnvironmentFileException(startLine, $"the quote {quote} that opens here is never closed");
        }

        var raw = _text[start.._position++];
        SkipSpaces();
        if (!AtEndOfLine() && _text[_position] != '#')
        {
            throw Wrong("only a comment may follow a closing quote");
        }

        ReadLine(advance: false);
        return quote == '"' ? Expand(raw, escapes: true) : raw;
    }

    private string ReadBlock(string name)
    {
        var startLine = _line;
        var end = ReadLine().Trim();
        if (end.Length == 0)
        {
            throw new EnvironmentFileException(startLine, $"the block of {name} names no end");
        }

        var lines = new List<string>();
        while (_position < _text.Length)
        {
            var line = ReadLine();
            if (line == end)
            {
                return string.Join('\n', lines);
            }

            lines.Add(line);
        }

        throw new EnvironmentFileException(startLine, $"the block of {name} has no end: no line is its end word");
    }

    /// <summary>Replaces <c>$NAME</c> and <c>${NAME}</c> by what this file said before; an unknown name is empty.</summary>
    private string Expand(string raw, bool escapes)
    {
        var text = new StringBuilder(raw.Length);
        for (var at = 0; at < raw.Length; at++)
        {
            if (raw[at] == '\\' && at + 1 < raw.Length && (escapes || raw[at + 1] == '$'))
            {
                text.Append(raw[++at] switch { 'n' => '\n', 'r' => '\r', 't' => '\t', var other => other });
                continue;
            }

            if (raw[at] != '$')
            {
                text.Append(raw[at]);
                continue;
            }

            var braced = at + 1 < raw.Length && raw[at + 1] == '{';
            var start = at + (braced ? 2 : 1);
            var stop = start;
            while (stop < raw.Length && (char.IsAsciiLetterOrDigit(raw[stop]) || raw[stop] == '_'))
            {
                stop++;
            }

            if (stop == start || char.IsAsciiDigit(raw[start]) || (braced && (stop == raw.Length || raw[stop] != '}')))
            {
                text.Append('$');
                continue;
            }

            text.Append(_values.GetValueOrDefault(raw[start..stop]));
            CheckRoom(text.Length);
            at = braced ? stop : stop - 1;
        }

        return text.ToString();
    }

    private void Add(string name, string value)
    {
        _expanded += value.Length;
        CheckRoom(_expanded);
        if (_values.ContainsKey(name))
        {
            _order.RemoveAll(pair => pair.Key == name);
        }

        _values[name] = value;
        _order.Add(new(name, value));
    }

    private void CheckRoom(int characters)
    {
        if (characters > MostExpanded)
        {
            _expanded = characters;
            throw Wrong("with what they name put in, the values are larger than 4 MiB");
        }
    }

    private bool AtEndOfLine() => _position >= _text.Length || _text[_position] == '\n';

    private bool Follows(string text) => string.CompareOrdinal(_text, _position, text, 0, text.Length) == 0;

    private void SkipSpaces()
    {
        while (_position < _text.Length && _text[_position] is ' ' or '\t' or '\r')
        {
            _position++;
        }
    }

    private void NextLine()
    {
        _position++;
        _line++;
    }

    private string ReadLine(bool advance = true)
    {
        var end = _text.IndexOf('\n', _position);
        end = end < 0 ? _text.Length : end;
        var line = _text[_position..end];
        _position = end;
        if (advance)
        {
            NextLine();
        }

        return line;
    }

    private EnvironmentFileException Wrong(string rule) => new(_line, rule);
}
