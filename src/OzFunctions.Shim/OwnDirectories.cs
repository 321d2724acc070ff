using OzFunctions.Shim.Native;

namespace OzFunctions.Shim;

/// <summary>The private directory and the spool in it, by descriptors that name them whatever a command of the same account does to their rights.</summary>
internal sealed unsafe class OwnDirectories(int directory)
{
    private const uint OwnersOnly = 0x1C0;
    private int _spool = -1;

    public int Private => directory;

    /// <summary>Once it is made.</summary>
    public void TakeSpool()
    {
        fixed (byte* name = "spool\0"u8)
        {
            _spool = Libc.OpenAt(directory, name, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
        }
    }

    /// <summary>Gives back the rights that a command took; false: nobody can have taken them, as root has them all.</summary>
    public bool TryOpenUp() => Libc.GetUser() != 0 && Libc.ChangeMode(directory, OwnersOnly) == 0 && (_spool < 0 || Libc.ChangeMode(_spool, OwnersOnly) == 0);
}
