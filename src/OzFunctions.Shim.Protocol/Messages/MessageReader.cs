using System.Buffers.Binary;
using System.Text;

namespace OzFunctions.Shim.Protocol;

/// <summary>Takes one message apart. Throws <see cref="InvalidDataException"/> on anything that does not add up.</summary>
internal ref struct MessageReader
{
    private ReadOnlySpan<byte> _rest;

    private MessageReader(ReadOnlySpan<byte> message)
    {
        Kind = (ShimMessage)message[4];
        Id = BinaryPrimitives.ReadUInt32LittleEndian(message[5..]);
        _rest = message[ShimProtocol.FrameHeader..];
    }

    public ShimMessage Kind { get; }

    public uint Id { get; }

    /// <summary>Length of the whole message at the front; 0 when it is not all there yet.</summary>
    public static int Measure(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4)
        {
            return 0;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        if (length is < ShimProtocol.FrameHeader - 4 or > ShimProtocol.LongestFrame)
        {
            throw new InvalidDataException("A message has an impossible length.");
        }

        return bytes.Length >= length + 4 ? length + 4 : 0;
    }

    public static MessageReader Open(ReadOnlySpan<byte> message) => new(message);

    public int Int32()
    {
        return BinaryPrimitives.ReadInt32LittleEndian(Take(4));
    }

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public TimeSpan? Time()
    {
        var milliseconds = Int64();
        return milliseconds < 0 ? null : TimeSpan.FromMilliseconds(milliseconds);
    }

    public string? Text()
    {
        var length = Int32();
        return length == -1 ? null : Encoding.UTF8.GetString(Take(length));
    }

    public string RequiredText() => Text() ?? throw new InvalidDataException("A message lacks a text.");

    public ReadOnlySpan<byte> Bytes() => Take(Int32());

    public IReadOnlyList<string> Texts()
    {
        var count = Int32();
        if (count < 0 || count > _rest.Length / 4)
        {
            throw new InvalidDataException("A message has an impossible count.");
        }

        var texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            texts[i] = RequiredText();
        }

        return texts;
    }

    public ShimCommand Command() => new()
    {
        Phase = RequiredText(),
        Arguments = Texts(),
        Environment = Texts(),
        WorkingDirectory = RequiredText(),
        Timeout = Time(),
        SilenceTimeout = Time(),
        StopGrace = Time() ?? TimeSpan.Zero,
        FinishedGrace = Time() ?? TimeSpan.Zero,
        StdoutFile = Text(),
    };

    public long? Optional()
    {
        var there = Int32() == 1;
        var value = Int64();
        return there ? value : null;
    }

    public ShimLimits Limits() => new()
    {
        Memory = Optional(),
        Processes = (int?)Optional(),
        Cpu = Optional() / 1000.0,
        OpenFiles = (int?)Optional(),
        Core = Optional(),
        Nice = (int?)Optional(),
        OomScoreAdj = (int?)Optional(),
        Workspace = Optional(),
        LogRate = Optional(),
        CpuWindow = Time() ?? TimeSpan.Zero,
        Measured = Texts(),
        CgroupParent = Text(),
    };

    public ShimUser? User()
    {
        if (Int32() == 0)
        {
            return null;
        }

        var (name, uid, gid, count) = (RequiredText(), Int32(), Int32(), Int32());
        if (count < 0 || count > _rest.Length / 4)
        {
            throw new InvalidDataException("A message has an impossible count.");
        }

        var groups = new int[count];
        for (var i = 0; i < count; i++)
        {
            groups[i] = Int32();
        }

        return new ShimUser(name, uid, gid, groups);
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > _rest.Length)
        {
            throw new InvalidDataException("A message is shorter than it says.");
        }

        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
