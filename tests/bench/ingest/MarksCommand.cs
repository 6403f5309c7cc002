using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using Reheat.Store.Ingest;

namespace Reheat.IngestBench;

/// <summary>What the database spends for marks: the statement that a group commit moves them with, for batches of many wedges that count nothing.</summary>
internal static class MarksCommand
{
    public static Command Create()
    {
        var database = new Option<string>("--database") { Required = true };
        var wedges = new Option<int>("--wedges") { DefaultValueFactory = _ => 250, Description = "of a group" };
        var groups = new Option<int>("--groups") { DefaultValueFactory = _ => 200 };
        var command = new Command("marks", "moves marks") { database, wedges, groups };
        command.SetAction(async (parsed, cancel) =>
        {
            int n = parsed.GetValue(wedges);
            await using NpgsqlDataSource source = NpgsqlDataSource.Create(parsed.GetValue(database)!);
            var store = new WedgeStore(source);
            var streams = new List<(StreamIdentity Identity, long Mark)>();
            for (int i = 0; i < n; i++)
            {
                LeaseGrant grant = await store.OpenAsync(
                    new WedgeHello($"marks-{i}", "load", "1", "bench", "guest", 1, i + 1, DateTimeOffset.UtcNow, [0]), TimeSpan.FromMinutes(5), DateTimeOffset.MinValue, cancel);
                streams.Add((new StreamIdentity($"marks-{i}", i + 1, grant.Lease, i & 255), grant.Marks[0]));
            }
            await using NpgsqlConnection connection = await source.OpenConnectionAsync(cancel);
            var keys = new KeyTable(new KeyBudget(1));
            double before = 0;
            var clock = new Stopwatch();
            for (int group = -5; group < parsed.GetValue(groups); group++)
            {
                if (group == 0)
                {
                    before = CpuSeconds(connection.ProcessID);
                    clock.Start();
                }
                IngestBatch[] batches = [.. streams.Select(s => new IngestBatch
                {
                    Stream = s.Identity,
                    Ring = 0,
                    From = s.Mark + group + 5,
                    To = s.Mark + group + 6,
                    Keys = keys,
                    Rows = [],
                    Traps = 1,
                    Hits = 0,
                    Bucket = new TimeBucket(DateTime.UtcNow, BucketWidth.Minute),
                    Counters = new WedgeCounters(group + 6, 0, 0, 0, 0),
                })];
                await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
                bool moved = await MarkStore.TryMoveAsync(connection, batches, cancel);
                await transaction.CommitAsync(cancel);
                if (!moved)
                    throw new InvalidOperationException("a batch was not counted");
            }
            double cpu = CpuSeconds(connection.ProcessID) - before;
            long marks = (long)n * parsed.GetValue(groups);
            Console.WriteLine(JsonSerializer.Serialize(new { marks, cpu_seconds = cpu, cpu_us_per_mark = cpu * 1e6 / marks, wall_us_per_mark = clock.Elapsed.TotalMicroseconds / marks }));
        });
        return command;
    }

    /// <summary>Processor time of a process of this machine.</summary>
    private static double CpuSeconds(int process)
    {
        using Process backend = Process.GetProcessById(process);
        return backend.TotalProcessorTime.TotalSeconds;
    }
}
