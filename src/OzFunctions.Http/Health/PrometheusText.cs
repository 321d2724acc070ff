using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using OzFunctions.Telemetry;

namespace OzFunctions.Http.Health;

/// <summary>Listens to the instruments of one Core and writes them as Prometheus text (exposition format 0.0.4).</summary>
public sealed class PrometheusText : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly double[] NoBuckets = [];
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);

    public PrometheusText(OzMetrics metrics)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, metrics.Meter))
            {
                listener.EnableMeasurementEvents(instrument, Add(instrument));
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, state) => Take((Family)state!, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, state) => Take((Family)state!, value, tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, state) => Take((Family)state!, value, tags));
        _listener.Start();
        metrics.Prime();
    }

    public string Write()
    {
        lock (_gate)
        {
            foreach (var family in _families.Values.Where(family => family.IsObserved))
            {
                family.Series.Clear();
            }

            _listener.RecordObservableInstruments();
            var text = new StringBuilder(4096);
            foreach (var family in _families.Values)
            {
                family.Write(text);
            }

            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    private Family Add(Instrument instrument)
    {
        lock (_gate)
        {
            return _families[instrument.Name] = Family.Of(instrument);
        }
    }

    private void Take(Family family, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_gate)
        {
            family.Take(value, Labels(tags));
        }
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in tags)
        {
            var escaped = Convert.ToString(value, CultureInfo.InvariantCulture)!.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
            text.Append(text.Length == 0 ? "" : ",").Append(name).Append("=\"").Append(escaped).Append('"');
        }

        return text.ToString();
    }

    private sealed record Family(string Name, string Kind, string Help, bool IsObserved, IReadOnlyList<double> Bounds)
    {
        public SortedDictionary<string, Point> Series { get; } = new(StringComparer.Ordinal);

        public static Family Of(Instrument instrument) => instrument switch
        {
            Counter<long> => new(instrument.Name, "counter", instrument.Description ?? "", false, NoBuckets),
            Histogram<double> histogram => new(instrument.Name, "histogram", instrument.Description ?? "", false, histogram.Advice?.HistogramBucketBoundaries ?? NoBuckets),
            _ => new(instrument.Name, "gauge", instrument.Description ?? "", true, NoBuckets),
        };

        public void Take(double value, string labels)
        {
            if (!Series.TryGetValue(labels, out var point))
            {
                Series[labels] = point = new(new long[Bounds.Count]);
            }

            point.Sum += value;
            point.Count++;
            for (var i = 0; i < Bounds.Count; i++)
            {
                point.Buckets[i] += value <= Bounds[i] ? 1 : 0;
            }
        }

        public void Write(StringBuilder text)
        {
            text.Append("# HELP ").Append(Name).Append(' ').Append(Help).Append('\n').Append("# TYPE ").Append(Name).Append(' ').Append(Kind).Append('\n');
            foreach (var (labels, point) in Series)
            {
                if (Kind != "histogram")
                {
                    Line(text, "", labels, point.Sum);
                    continue;
                }

                var comma = labels.Length == 0 ? "" : ",";
                for (var i = 0; i < Bounds.Count; i++)
                {
                    Line(text, "_bucket", $"{labels}{comma}le=\"{Number(Bounds[i])}\"", point.Buckets[i]);
                }

                Line(text, "_bucket", $"{labels}{comma}le=\"+Inf\"", point.Count);
                Line(text, "_sum", labels, point.Sum);
                Line(text, "_count", labels, point.Count);
            }
        }

        private void Line(StringBuilder text, string suffix, string labels, double value)
        {
            text.Append(Name).Append(suffix);
            if (labels.Length > 0)
            {
                text.Append('{').Append(labels).Append('}');
            }

            text.Append(' ').Append(Number(value)).Append('\n');
        }

        private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
    }

    private sealed class Point(long[] buckets)
    {
        public long[] Buckets { get; } = buckets;

        public double Sum { get; set; }

        public long Count { get; set; }
    }
}
