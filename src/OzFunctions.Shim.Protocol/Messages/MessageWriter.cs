using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace OzFunctions.Shim.Protocol;

/// <summary>Builds one message.</summary>
internal sealed class MessageWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(256);

    public MessageWriter(ShimMessage kind, uint id)
    {
        Int32(0);
        _bytes.Write([(byte)kind]);
        Int32((int)id);
    }

    public MessageWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.GetSpan(4), value);
        _bytes.Advance(4);
        return this;
    }

    public MessageWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_bytes.GetSpan(8), value);
        _bytes.Advance(8);
        return this;
    }

    /// <summary>Milliseconds rounded up, so that no wait becomes none; -1 for null.</summary>
    public MessageWriter Time(TimeSpan? value) => Int64(value is { } time ? (long)Math.Ceiling(Math.Max(0, time.TotalMilliseconds)) : -1);

    public MessageWriter Text(string? value)
    {
        if (value is null)
        {
            return Int32(-1);
        }

        return Bytes(Encoding.UTF8.GetBytes(value));
    }

    public MessageWriter Bytes(ReadOnlySpan<byte> value)
    {
        Int32(value.Length);
        _bytes.Write(value);
        return this;
    }

    public MessageWriter Texts(IReadOnlyList<string> values)
    {
        Int32(values.Count);
        foreach (var value in values)
        {
            Text(value);
        }

        return this;
    }

    public MessageWriter Command(ShimCommand command) => Text(command.Phase)
        .Texts(command.Arguments)
        .Texts(command.Environment)
        .Text(command.WorkingDirectory)
        .Time(command.Timeout)
        .Time(command.SilenceTimeout)
        .Time(command.StopGrace)
        .Time(command.FinishedGrace)
        .Text(command.StdoutFile);

    public MessageWriter Optional(long? value) => Int32(value is null ? 0 : 1).Int64(value ?? 0);

    public MessageWriter Limits(ShimLimits limits) => Optional(limits.Memory)
        .Optional(limits.Processes)
        .Optional(limits.Cpu is { } cpu ? (long)Math.Round(cpu * 1000) : null)
        .Optional(limits.OpenFiles)
        .Optional(limits.Core)
        .Optional(limits.Nice)
        .Optional(limits.OomScoreAdj)
        .Optional(limits.Workspace)
        .Optional(limits.LogRate)
        .Time(limits.CpuWindow)
        .Texts(limits.Measured)
        .Text(limits.CgroupParent);

    public MessageWriter User(ShimUser? user)
    {
        Int32(user is null ? 0 : 1);
        if (user is not null)
        {
            Text(user.Name).Int32(user.Uid).Int32(user.Gid).Int32(user.Groups.Count);
            foreach (var group in user.Groups)
            {
                Int32(group);
            }
        }

        return this;
    }

    public byte[] ToArray()
    {
        var bytes = _bytes.WrittenSpan.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - 4);
        return bytes;
    }
}
