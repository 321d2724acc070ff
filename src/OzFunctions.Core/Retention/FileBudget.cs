namespace OzFunctions.Retention;

/// <summary>How many files may yet be deleted, by all who share it. Asked by one at a time.</summary>
internal sealed class FileBudget(int files)
{
    public int Left { get; private set; } = files;

    public bool TryTake()
    {
        if (Left == 0)
        {
            return false;
        }

        Left--;
        return true;
    }
}
