using OzFunctions.Masking;

namespace OzFunctions.Direct.Masking;

/// <summary>The attempts of a host mostly have the same secrets, and then share one masker.</summary>
internal sealed class MaskerCache
{
    private readonly Lock _gate = new();
    private IReadOnlyList<string> _values = [];
    private Masker _masker = Masker.None;

    public Masker Get(IReadOnlyList<string> values)
    {
        lock (_gate)
        {
            if (!_values.SequenceEqual(values, StringComparer.Ordinal))
            {
                (_values, _masker) = (values, new SecretSet().AddAll(values).CreateMasker());
            }

            return _masker;
        }
    }
}
