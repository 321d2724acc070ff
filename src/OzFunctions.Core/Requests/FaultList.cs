namespace OzFunctions.Requests;

/// <summary>Collects the faults of one document, at most <see cref="Most"/> of them: a hostile document must not make a bigger answer.</summary>
internal sealed class FaultList
{
    public const int Most = 100;

    private readonly List<RequestFault> _faults = [];
    private int _more;

    public int Count => _faults.Count;

    public void Add(string path, string? value, string rule)
    {
        if (_faults.Count < Most)
        {
            _faults.Add(new RequestFault(FaultValue.Shorten(path, 200), value is null ? null : FaultValue.Shorten(value), rule));
        }
        else
        {
            _more++;
        }
    }

    public IReadOnlyList<RequestFault> ToArray() =>
        _more == 0 ? [.. _faults] : [.. _faults, new RequestFault("", null, $"{_more} more faults are not shown")];
}
