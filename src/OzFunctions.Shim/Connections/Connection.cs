using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Connections;

/// <summary>One host on the line. Never waits for it: what it does not take yet is kept, and of states only the newest.</summary>
internal sealed unsafe class Connection(int descriptor)
{
    private const int MostPending = 8 << 20;
    private const int NoSignal = 0x4000;
    private byte[] _in = new byte[4096];
    private int _inCount;
    private byte[] _out = [];
    private int _outStart;

    public int Descriptor { get; } = descriptor;

    public bool Closed { get; private set; }

    /// <summary>The newest status was not told yet.</summary>
    public bool StatusDue { get; set; } = true;

    /// <summary>Where the spool ended when this host was last told.</summary>
    public SpoolPosition ToldPosition { get; private set; }

    public bool HasPending => _outStart < _out.Length;

    /// <summary>Reads what has come and hands over whole messages.</summary>
    public void Receive(Action<Connection, byte[]> take)
    {
        while (!Closed)
        {
            if (_inCount == _in.Length)
            {
                Array.Resize(ref _in, _in.Length * 2);
            }

            nint count;
            fixed (byte* room = &_in[_inCount])
            {
                count = Libc.Read(Descriptor, room, _in.Length - _inCount);
            }

            if (count <= 0)
            {
                if (count == 0 || Libc.Errno is not (Libc.EAgain or Libc.EIntr))
                {
                    Close();
                }

                return;
            }

            _inCount += (int)count;
            int length;
            while (!Closed && (length = MessageReader.Measure(_in.AsSpan(0, _inCount))) > 0)
            {
                var message = _in[..length];
                _in.AsSpan(length, _inCount - length).CopyTo(_in);
                _inCount -= length;
                take(this, message);
            }
        }
    }

    public void Send(MessageWriter message)
    {
        var bytes = message.ToArray();
        var pending = _out.Length - _outStart;
        if (pending + bytes.Length > MostPending)
        {
            // A host that asks and never reads: it can connect again.
            Close();
            return;
        }

        var joined = new byte[pending + bytes.Length];
        _out.AsSpan(_outStart).CopyTo(joined);
        bytes.CopyTo(joined, pending);
        _out = joined;
        _outStart = 0;
        Flush();
    }

    /// <summary>Tells where the spool ends, unless the host is still busy with what it was told before.</summary>
    public void TellPosition(SpoolPosition position)
    {
        if (!HasPending && !Closed && position != ToldPosition)
        {
            ToldPosition = position;
            Send(new MessageWriter(ShimMessage.Grew, 0).Int64(position.Segment).Int64(position.Offset));
        }
    }

    public void Flush()
    {
        while (HasPending && !Closed)
        {
            nint sent;
            fixed (byte* rest = &_out[_outStart])
            {
                sent = Libc.Send(Descriptor, rest, _out.Length - _outStart, NoSignal);
            }

            if (sent < 0)
            {
                if (Libc.Errno is not (Libc.EAgain or Libc.EIntr))
                {
                    Close();
                }

                return;
            }

            _outStart += (int)sent;
        }
    }

    public void Close()
    {
        if (!Closed)
        {
            Closed = true;
            _ = Libc.Close(Descriptor);
        }
    }
}
