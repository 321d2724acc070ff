using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Direct.Posix;
using OzFunctions.Local;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// <c>log.journal</c> in the private directory: one entry a line, the last whole one counts. Safe from a crash of the process, which is what it is for;
/// after a loss of power the attempt is over anyway.
/// </summary>
internal sealed class LogJournal : IDisposable
{
    private const string FileName = "log.journal";
    private const long LongestFile = 1 << 20;
    private readonly string _path;
    private SafeFileHandle? _file;
    private long _length;

    public LogJournal(string privateDirectory)
    {
        _path = Path.Combine(privateDirectory, FileName);
        Last = ReadLast();
    }

    /// <summary>The entry that counts; null: none was ever written.</summary>
    public LogJournalEntry? Last { get; private set; }

    /// <summary>Throws <see cref="IOException"/> when the disk refuses it.</summary>
    public void Write(LogJournalEntry entry)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(entry, LogJson.Default.LogJournalEntry);
        Array.Resize(ref bytes, bytes.Length + 1);
        bytes[^1] = (byte)'\n';

        // Begins anew when opened (a torn end must not stay before a whole entry) and when long.
        if (_file is null || _length + bytes.Length > LongestFile)
        {
            Begin(bytes);
        }
        else
        {
            RandomAccess.Write(_file, bytes, _length);
            _length += bytes.Length;
        }

        Last = entry;
    }

    public void Dispose() => _file?.Dispose();

    private void Begin(byte[] bytes)
    {
        _file?.Dispose();
        _file = null;
        var next = _path + ".new";

        // Never into what a command may have left there: a fifo would be waited for, a link followed.
        File.Delete(next);
        var file = File.OpenHandle(next, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        PrivateFiles.Close(file);
        try
        {
            RandomAccess.Write(file, bytes, 0);
            File.Move(next, _path, overwrite: true);
        }
        catch (IOException)
        {
            file.Dispose();
            throw;
        }

        _file = file;
        _length = bytes.Length;
    }

    private LogJournalEntry? ReadLast()
    {
        byte[]? content;
        try
        {
            content = RegularFile.FindAll(_path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // None yet, or not ours any more: the log is rendered from its beginning, behind what is stored.
            return null;
        }

        var rest = content.AsSpan();
        for (var end = rest.LastIndexOf((byte)'\n'); end >= 0; end = rest.LastIndexOf((byte)'\n'))
        {
            rest = rest[..end];
            try
            {
                if (JsonSerializer.Deserialize(rest[(rest.LastIndexOf((byte)'\n') + 1)..], LogJson.Default.LogJournalEntry) is { } entry)
                {
                    return entry;
                }
            }
            catch (JsonException)
            {
                // Torn: the one before it counts.
            }
        }

        return null;
    }
}
