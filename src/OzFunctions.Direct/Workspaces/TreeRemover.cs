using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Workspaces;

/// <summary>
/// Removes a directory and all that is in it: links are removed and never followed, read-only directories are opened up, what is busy is tried again,
/// mount points are neither entered nor removed.
/// </summary>
internal sealed class TreeRemover(TimeProvider time)
{
    // Each level holds a descriptor; deeper directories are moved up to the root and removed from there.
    private const int DeepestLevel = 200;
    private const int Rounds = 5;
    private static readonly TimeSpan RoundDelay = TimeSpan.FromMilliseconds(200);

    /// <summary>Null when nothing is left; else a sentence that names what could not be removed. A path that is absent is fine.</summary>
    public async Task<string?> RemoveAsync(string path, CancellationToken cancellationToken)
    {
        for (var round = 1; ; round++)
        {
            var left = RemoveOnce(path);
            if (left is null || round == Rounds)
            {
                return left;
            }

            await Task.Delay(RoundDelay * round, time, cancellationToken);
        }
    }

    /// <summary>One round without waiting.</summary>
    public static string? RemoveOnce(string path)
    {
        if (!Local.HostSystem.IsLinux)
        {
            return PortableCalls.Remove(path);
        }

        var facts = Libc.FindFacts(path);
        if (facts is null)
        {
            return Marshal.GetLastPInvokeError() == Libc.Enoent ? null : $"{path}: {Libc.DescribeLast()}";
        }

        var parent = Libc.Open(Path.GetDirectoryName(path)!, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
        if (parent < 0)
        {
            return $"{path}: {Libc.DescribeLast()}";
        }

        try
        {
            return new Walk(path, parent).Remove();
        }
        finally
        {
            Libc.Close(parent);
        }
    }

    /// <summary>One round over one tree. Remembers the first thing that could not be removed and goes on with the rest.</summary>
    private sealed unsafe class Walk(string path, int parent)
    {
        private int _root = -1;
        private ulong _device;
        private int _moved;
        private string? _left;

        public string? Remove()
        {
            var name = Encoding.UTF8.GetBytes(Path.GetFileName(path) + '\0');
            RemoveEntry(parent, name, path, 0);
            return _left;
        }

        private void RemoveEntry(int directory, byte[] name, string shown, int level)
        {
            fixed (byte* pointer = name)
            {
                if (Libc.FindFacts(directory, pointer) is not { } facts)
                {
                    Note(shown, gone: Marshal.GetLastPInvokeError() == Libc.Enoent);
                    return;
                }

                if (!facts.IsDirectory)
                {
                    if (Libc.UnlinkAt(directory, pointer, 0) != 0)
                    {
                        Note(shown, gone: Marshal.GetLastPInvokeError() == Libc.Enoent);
                    }

                    return;
                }

                if (level == 0)
                {
                    _device = facts.Device;
                }

                if (facts.IsMountRoot || facts.Device != _device)
                {
                    _left ??= $"{shown} is a mount point and was left alone";
                    return;
                }

                if (level > DeepestLevel && MoveUp(directory, pointer))
                {
                    return;
                }

                RemoveContent(directory, pointer, facts, shown, level);
                if (Libc.UnlinkAt(directory, pointer, Libc.AtRemoveDir) != 0)
                {
                    Note(shown, gone: Marshal.GetLastPInvokeError() == Libc.Enoent);
                }
            }
        }

        private void RemoveContent(int directory, byte* name, FileFacts facts, string shown, int level)
        {
            const int flags = Libc.OReadOnly | Libc.OCloseOnExec;
            var opened = Libc.OpenAt(directory, name, flags | Libc.ODirectory | Libc.ONoFollow, 0);
            if (opened < 0 && Marshal.GetLastPInvokeError() == Libc.Eacces && TryOpenUp(directory, name))
            {
                opened = Libc.OpenAt(directory, name, flags | Libc.ODirectory | Libc.ONoFollow, 0);
            }

            if (opened < 0)
            {
                Note(shown, gone: Marshal.GetLastPInvokeError() == Libc.Enoent);
                return;
            }

            try
            {
                if ((facts.Mode & 0x1C0) != 0x1C0)
                {
                    Libc.ChangeMode(opened, 0x1C0);
                }

                if (level == 0)
                {
                    _root = opened;
                }

                // A tree moved up to the root appears there after its names were read: read again until nothing was moved.
                int moved;
                do
                {
                    moved = _moved;
                    foreach (var child in DirectoryNames.Read(opened) ?? [])
                    {
                        RemoveEntry(opened, child, $"{shown}/{Encoding.UTF8.GetString(child.AsSpan(0, child.Length - 1))}", level + 1);
                    }
                }
                while (level == 0 && _moved != moved);
            }
            finally
            {
                Libc.Close(opened);
            }
        }

        /// <summary>The directory that stands there and nothing that a link in its place leads to.</summary>
        private static bool TryOpenUp(int directory, byte* name)
        {
            using var place = new SafeFileHandle(Libc.OpenAt(directory, name, Libc.OPath | Libc.ODirectory | Libc.ONoFollow | Libc.OCloseOnExec, 0), ownsHandle: true);
            return TakenRights.TrySetMode((int)place.DangerousGetHandle(), TakenRights.OfDirectory);
        }

        private bool MoveUp(int directory, byte* name)
        {
            fixed (byte* target = Encoding.UTF8.GetBytes($".ozf-deep-{_moved}-{Environment.ProcessId}\0"))
            {
                if (Libc.RenameAt(directory, name, _root, target) != 0)
                {
                    return false;
                }
            }

            _moved++;
            return true;
        }

        private void Note(string shown, bool gone)
        {
            if (!gone)
            {
                _left ??= $"{shown}: {Libc.DescribeLast()}";
            }
        }
    }
}
