using System.Text;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Direct.Attempts;
using OzFunctions.Local;

namespace OzFunctions.Direct.Posix;

/// <summary>
/// Gives this user the rights back that a command of the same account took from what is ours below <c>.ozf</c> (<c>chmod 000</c>). From directory to directory by their
/// descriptors: a link is never followed, what is another account's is left alone, and nothing outside <c>.ozf</c> is touched.
/// </summary>
internal static unsafe class TakenRights
{
    /// <summary>What the owner of a directory needs.</summary>
    public const uint OfDirectory = 0x1C0;

    private const string Home = ".ozf";
    private const uint OfFile = 0x180;
    private const uint Rights = 0xFFF;

    /// <summary>Goes down to a path as far as that is ours; answers whether anything was given back.</summary>
    public static bool GiveBack(string path)
    {
        if (!HostSystem.IsLinux || Split(path) is not (var root, var names))
        {
            return false;
        }

        var isAny = false;
        var at = Open(Libc.AtFdCwd, root, Libc.OPath | Libc.ODirectory | Libc.OCloseOnExec);
        foreach (var name in names)
        {
            if (at.IsInvalid)
            {
                break;
            }

            var next = Open((int)at.DangerousGetHandle(), name, Libc.OPath | Libc.ONoFollow | Libc.OCloseOnExec);
            at.Dispose();
            at = next;
            if (at.IsInvalid || !TryGiveBack((int)at.DangerousGetHandle(), ref isAny))
            {
                break;
            }
        }

        at.Dispose();
        return isAny;
    }

    /// <summary>Of what a descriptor names that was opened with O_PATH, on which fchmod(2) does not work; false: the kernel refused it.</summary>
    public static bool TrySetMode(int place, uint mode)
    {
        try
        {
            File.SetUnixFileMode($"/proc/self/fd/{place}", (UnixFileMode)mode);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>What lies above <c>.ozf</c>, and the names from there on; null where the path leads to nothing of an attempt.</summary>
    private static (string Root, string[] Names)? Split(string path)
    {
        var names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var home = Array.LastIndexOf(names, Home);
        return home >= 0 && (home + 1 == names.Length || AttemptDirectories.IsName(names[home + 1])) && path.StartsWith('/')
            ? ("/" + string.Join('/', names[..home]), names[home..])
            : null;
    }

    private static SafeFileHandle Open(int directory, string name, int flags)
    {
        fixed (byte* pointer = Encoding.UTF8.GetBytes(name + '\0'))
        {
            return new SafeFileHandle(Libc.OpenAt(directory, pointer, flags, 0), ownsHandle: true);
        }
    }

    /// <summary>False: it is nothing of ours, so neither is what lies below.</summary>
    private static bool TryGiveBack(int place, ref bool isAny)
    {
        if (Libc.FindFacts(place) is not { } facts || !(facts.IsDirectory || facts.IsRegular || facts.IsSocket) || !Libc.IsOwn(facts))
        {
            return false;
        }

        var needed = facts.IsDirectory ? OfDirectory : OfFile;
        if ((facts.Mode & needed) == needed)
        {
            return true;
        }

        var done = TrySetMode(place, (facts.Mode | needed) & Rights);
        isAny |= done;
        return done;
    }
}
