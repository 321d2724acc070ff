using System.Globalization;
using System.Text;

namespace OzFunctions.Shim.Native;

/// <summary>
/// Makes the kernel take commands before shim and host when memory runs out. The file stays open from the start: a process that cannot be dumped may write it,
/// but not open it.
/// </summary>
internal sealed unsafe class OomScore
{
    private readonly int _file = Libc.Open("/proc/self/oom_score_adj", Libc.OReadWrite | Libc.OCloseOnExec, 0);
    private readonly string _own = "0";

    public OomScore()
    {
        var text = stackalloc byte[16];
        var length = _file < 0 ? 0 : (int)Libc.Read(_file, text, 16);
        if (length > 0)
        {
            _own = Encoding.ASCII.GetString(text, length).Trim();
        }
    }

    /// <summary>Gives the next child this score; without one 500, unless this process stands higher.</summary>
    public void SetForChild(int? score)
    {
        if (score is not null || !int.TryParse(_own, out var own) || own < 500)
        {
            Write((score ?? 500).ToString(CultureInfo.InvariantCulture));
        }
    }

    public void Restore() => Write(_own);

    private void Write(string score)
    {
        if (_file >= 0)
        {
            fixed (byte* bytes = Encoding.ASCII.GetBytes(score))
            {
                _ = Libc.WriteAt(_file, bytes, score.Length, 0);
            }
        }
    }
}
