using System.Text;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests;

public sealed class StatusJsonTests
{
    [Fact]
    public void A_status_is_this_json_and_reads_back()
    {
        var status = new ShimStatus
        {
            Version = 1,
            Pid = 12,
            StartTicks = 345,
            BootId = "b",
            Tag = 1L << 61,
            LeaseOver = true,
            Commands =
            [
                new ShimCommandStatus
                {
                    Phase = "agent", Pid = 13, StartTicks = 346, StartedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123), Ended = true,
                    EndedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_001_000), Signal = 9, StoppedBy = ShimStopCause.Silence, StopDetail = "a \"b\"\n\u00e9\ud83d\ude00",
                    PeakMemoryBytes = 4096, CpuSeconds = 1.25, Clean = false, LeftOver = [7, 8], EndedDescendants = 2,
                },
                new ShimCommandStatus { Phase = "teardown", StartedAt = DateTimeOffset.UnixEpoch, ExitCode = 0 },
            ],
        };

        var json = ShimStatusJson.Write(status);

        Assert.Equal(
            """{"version":1,"pid":12,"start_ticks":345,"boot_id":"b","tag":2305843009213693952,"lease_over":true,"commands":[{"phase":"agent","pid":13,"start_ticks":346,"started_at":"2023-11-14T22:13:20.123Z","spawn_error":0,"ended":true,"ended_at":"2023-11-14T22:13:21.000Z","signal":9,"stopped_by":"silence","stop_detail":"a \"b\"\u000aé\ud83d\ude00","peak_memory_bytes":4096,"cpu_seconds":1.25,"clean":false,"left_over":[7,8],"ended_descendants":2},{"phase":"teardown","pid":0,"start_ticks":0,"started_at":"1970-01-01T00:00:00.000Z","spawn_error":0,"ended":false,"exit_code":0,"peak_memory_bytes":0,"cpu_seconds":0,"clean":true,"left_over":[],"ended_descendants":0}]}""",
            Encoding.UTF8.GetString(json));
        Assert.Equivalent(status, ShimStatusJson.Read(json), strict: true);
    }
}
