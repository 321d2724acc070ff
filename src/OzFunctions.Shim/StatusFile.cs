using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim;

/// <summary><c>status.json</c>: replaced as a whole, and safe from a loss of power from the first command on.</summary>
internal sealed unsafe class StatusFile(OwnDirectories directories, ShimStatus initial)
{
    private readonly int _directory = directories.Private;
    private bool _unsaved;

    public ShimStatus Current { get; private set; } = initial;

    /// <summary>Whether the file lags behind <see cref="Current"/> because the disk refused it.</summary>
    public bool Unsaved => _unsaved;

    /// <summary>The private directory was removed: nobody will ever read the file.</summary>
    public bool Orphaned { get; private set; }

    /// <summary>Takes the status over and saves it; false when the disk refused it.</summary>
    public bool TrySet(ShimStatus status)
    {
        Current = status;
        return TrySave();
    }

    public bool TrySave() => TrySave(durable: true);

    /// <summary>The first, which names this process to others of this boot: nothing runs yet that a host would have to know of after the next.</summary>
    public bool TrySaveFirst() => TrySave(durable: false);

    private bool TrySave(bool durable)
    {
        var bytes = ShimStatusJson.Write(Current);
        fixed (byte* temporary = "status.json.new\0"u8, target = "status.json\0"u8, content = bytes)
        {
            var file = OpenNew(temporary);
            if (file < 0 && Libc.Errno == Libc.EAccess && directories.TryOpenUp())
            {
                file = OpenNew(temporary);
            }

            Orphaned = file < 0 && Libc.Errno == Libc.ENoEntry;
            var saved = file >= 0 && Libc.Write(file, content, bytes.Length) == bytes.Length && (!durable || Libc.Sync(file) == 0);
            if (file >= 0)
            {
                _ = Libc.Close(file);
            }

            saved = saved && Libc.RenameAt(_directory, temporary, _directory, target) == 0 && (!durable || Libc.Sync(_directory) == 0);
            _unsaved = !saved;
            return saved;
        }
    }

    /// <summary>Gives back the room that the host keeps in the private directory for an end on a full disk.</summary>
    public void GiveUpReserve()
    {
        fixed (byte* name = System.Text.Encoding.UTF8.GetBytes(ShimProtocol.ReserveFile + '\0'))
        {
            _ = Libc.UnlinkAt(_directory, name, 0);
        }
    }

    private int OpenNew(byte* name) => Libc.OpenAt(_directory, name, Libc.OWriteOnly | Libc.OCreate | Libc.OTruncate | Libc.OCloseOnExec, 0x180);

    /// <summary>Changes one command's state without saving.</summary>
    public void Replace(ShimCommandStatus command) => Current = With(command);

    public ShimStatus With(ShimCommandStatus command)
    {
        var commands = new List<ShimCommandStatus>(Current.Commands);
        var at = commands.FindIndex(known => known.Phase == command.Phase);
        if (at < 0)
        {
            commands.Add(command);
        }
        else
        {
            commands[at] = command;
        }

        return Current with { Commands = commands };
    }
}
