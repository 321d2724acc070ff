namespace OzFunctions.Shim.Protocol;

/// <summary>An amount of spooled output: how many pieces, how many bytes, how many line ends.</summary>
public readonly record struct SpoolTotals(long Records, long Bytes, long Lines)
{
    public static SpoolTotals operator +(SpoolTotals left, SpoolTotals right) =>
        new(left.Records + right.Records, left.Bytes + right.Bytes, left.Lines + right.Lines);

    public static SpoolTotals operator -(SpoolTotals left, SpoolTotals right) =>
        new(left.Records - right.Records, left.Bytes - right.Bytes, left.Lines - right.Lines);
}
