using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Reheat.Agent;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Agent.Streaming;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.RingBench;

/// <summary>One ring, read as the agent reads it: in batches of its own size, sites told once a stream.</summary>
internal sealed class Reader
{
    public static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private const int BatchRecords = 1 << 16; // AgentOptions.MaxBatchRecords

    private readonly WedgeSession _session;
    private readonly RingFile _ring;
    private readonly BatchCutter _cutter;
    private readonly AgentStatus _status = new();

    public Reader(string session, string memoryMap)
    {
        while ((_session = WedgeSession.TryOpen(session, TimeProvider.System, NullLogger.Instance)!) is null)
            Thread.Sleep(1);
        _ring = _session.Rings[0].File;
        var namer = new TargetNamer();
        namer.Add(MemoryMap.Parse(File.ReadAllText(memoryMap), out Diagnostic? fault) ?? throw new InvalidDataException(fault!.ToString()), 0);
        var image = new GuestImage(new BuildId([1]), "bench", default, [(new ImageAddress(0xffffffff81000000), new ImageAddress(0xffffffff82000000))]);
        _cutter = new BatchCutter(new ImageTable([image]), [.. _session.Info.Targets.Select(TargetNames.OfRegion)], namer, new StreamSites(), _status, NullLogger.Instance);
    }

    /// <summary>Reads the whole ring again and again.</summary>
    public object Fold(int rounds)
    {
        ulong head = _ring.Head;
        for (int warm = 0; warm < 5; warm++)
        {
            FoldOnce(head);
            Sum(head);
        }
        var folding = new List<(double Cpu, double Wall)>();
        var summing = new List<(double Cpu, double Wall)>();
        ulong sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            folding.Add(Measure(() => FoldOnce(head)));
            summing.Add(Measure(() => sum += Sum(head)));
        }
        double cpu = Median(folding.Select(f => f.Cpu)) / head, plain = Median(summing.Select(f => f.Cpu)) / head;
        return new
        {
            Records = head,
            Rounds = rounds,
            _status.Sites,
            Sum = sum,
            FoldNs = Math.Round(cpu * 1e9, 3),
            FoldBestNs = Math.Round(folding.Min(f => f.Cpu) / head * 1e9, 3),
            SumNs = Math.Round(plain * 1e9, 3),
            MillionPerCpuSecond = Math.Round(1e-6 / cpu, 1),
            MillionPerWallSecond = Math.Round(1e-6 * head / Median(folding.Select(f => f.Wall)), 1),
            Ratio = Math.Round(cpu / plain, 2),
        };
    }

    /// <summary>Reads what the producer pushes, giving slots back batch by batch, until it has closed the ring.</summary>
    public object Drain()
    {
        ulong position = _ring.Tail;
        double wall = 0, cpu = 0;
        for (bool closed = false; !closed;)
        {
            closed = _ring.IsClosed;
            ulong head = _ring.Head;
            if (position == head)
            {
                Thread.Sleep(1);
                continue;
            }
            (double Cpu, double Wall) took = Measure(() =>
            {
                for (; position < head; position = End(position, head))
                {
                    _cutter.Cut(_ring, position, End(position, head));
                    _ring.Release(End(position, head));
                }
            });
            (cpu, wall) = (cpu + took.Cpu, wall + took.Wall);
        }
        RingCounters counters = _ring.Counters;
        return new
        {
            Records = position,
            counters.DroppedRecords,
            MillionPerCpuSecond = Math.Round(1e-6 * position / cpu, 1),
            MillionPerWallSecond = Math.Round(1e-6 * position / wall, 1),
        };
    }

    private static ulong End(ulong position, ulong head) => Math.Min(position + BatchRecords, head);

    private void FoldOnce(ulong head)
    {
        for (ulong position = 0; position < head; position = End(position, head))
            _cutter.Cut(_ring, position, End(position, head));
    }

    /// <summary>The baseline: every record is loaded, and nothing more.</summary>
    private ulong Sum(ulong head)
    {
        ulong sum = 0;
        for (ulong position = 0; position < head;)
        {
            ReadOnlySpan<RingRecord> records = _ring.Records(position, head);
            foreach (ref readonly RingRecord record in records)
                sum += record.Ip + record.Elements;
            position += (ulong)records.Length;
        }
        return sum;
    }

    private static (double Cpu, double Wall) Measure(Action work)
    {
        double cpu = ThreadClock.Seconds;
        long wall = Stopwatch.GetTimestamp();
        work();
        return (ThreadClock.Seconds - cpu, Stopwatch.GetElapsedTime(wall).TotalSeconds);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;
}
