using System.Runtime.InteropServices;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Accounts;

/// <summary>Asks the C library, and so whatever name service this machine uses.</summary>
internal static unsafe class AccountLookup
{
    private const int BufferSize = 64 << 10;
    private const int MostGroups = 1 << 16;

    /// <summary>Null: unknown.</summary>
    public static Account? Find(string name)
    {
        // struct passwd: name, password, uid, gid, gecos, home, shell; the same on every 64 bit Linux.
        var entry = stackalloc nint[8];
        var buffer = (byte*)NativeMemory.Alloc(BufferSize);
        try
        {
            nint found;
            var error = Libc.GetAccount(name, entry, buffer, BufferSize, &found);
            if (error is not 0 and not Libc.Enoent)
            {
                throw new AccountException($"backend.direct.user: {name}: the account cannot be looked up: {Libc.Describe(error)}.");
            }

            if (found == 0)
            {
                return null;
            }

            var ids = (int*)(entry + 2);
            var home = Marshal.PtrToStringUTF8(entry[4]);
            return new Account(name, ids[0], ids[1], FindGroups(name, ids[1]), string.IsNullOrEmpty(home) ? "/" : home);
        }
        finally
        {
            NativeMemory.Free(buffer);
        }
    }

    private static int[] FindGroups(string name, int gid)
    {
        var groups = new int[32];
        while (true)
        {
            var count = groups.Length;
            fixed (int* pointer = groups)
            {
                if (Libc.GetGroups(name, gid, pointer, &count) >= 0)
                {
                    return groups[..count];
                }
            }

            if (groups.Length >= MostGroups)
            {
                throw new AccountException($"backend.direct.user: {name}: its groups cannot be looked up.");
            }

            groups = new int[Math.Max(count, groups.Length * 2)];
        }
    }
}
