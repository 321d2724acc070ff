using System.Text;

namespace OzFunctions.Cli.Tests.Telemetry;

/// <summary>A span as the collector got it; ids as hex, the parent's empty for a root.</summary>
internal sealed record OtlpSpan(string Name, string TraceId, string SpanId, string ParentId)
{
    private const int LengthDelimited = 2;

    /// <summary>All spans of bodies of <c>/v1/traces</c> (opentelemetry/proto/trace/v1): resource spans 1, scope spans 2, spans 2, in these ids 1, 2 and 4, name 5.</summary>
    public static IEnumerable<OtlpSpan> Read(string latin1) =>
        Fields(Encoding.Latin1.GetBytes(latin1)).Where(field => field.Number == 1).SelectMany(field => Fields(field.Bytes)).Where(field => field.Number == 2)
            .SelectMany(field => Fields(field.Bytes)).Where(field => field.Number == 2).Select(field => Of(Fields(field.Bytes)));

    private static OtlpSpan Of(IEnumerable<(int Number, byte[] Bytes)> fields)
    {
        var byNumber = fields.GroupBy(field => field.Number).ToDictionary(group => group.Key, group => group.First().Bytes);
        return new(Encoding.UTF8.GetString(byNumber[5]), Hex(1), Hex(2), Hex(4));

        string Hex(int number) => Convert.ToHexStringLower(byNumber.GetValueOrDefault(number, []));
    }

    /// <summary>The fields of one message that have a length; the others are passed over.</summary>
    private static IEnumerable<(int Number, byte[] Bytes)> Fields(byte[] message)
    {
        for (var at = 0; at < message.Length;)
        {
            var tag = Varint(message, ref at);
            switch ((int)(tag & 7))
            {
                case 0:
                    _ = Varint(message, ref at);
                    break;
                case 1:
                    at += 8;
                    break;
                case LengthDelimited:
                    var length = (int)Varint(message, ref at);
                    yield return ((int)(tag >> 3), message[at..(at + length)]);
                    at += length;
                    break;
                default:
                    at += 4;
                    break;
            }
        }
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            value |= (ulong)(message[at] & 0x7f) << shift;
            if ((message[at++] & 0x80) == 0)
            {
                return value;
            }
        }
    }
}
