using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Reheat.IngestBench;

/// <summary>The baseline: plain binary COPY of one row a record, in transactions of one batch.</summary>
internal static class CopyCommand
{
    public static Command Create()
    {
        var database = new Option<string>("--database") { Required = true };
        var sites = new Option<string>("--sites") { Required = true };
        var rows = new Option<int>("--rows") { DefaultValueFactory = _ => 10_000 };
        var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 5 };
        var command = new Command("copy", "copies one row a record") { database, sites, rows, seconds };
        command.SetAction(async (parsed, cancel) =>
        {
            ulong[] addresses = SitesCommand.Read(parsed.GetValue(sites)!);
            var zipf = new Zipf(addresses.Length, 1);
            await using NpgsqlDataSource source = NpgsqlDataSource.Create(parsed.GetValue(database)!);
            await using NpgsqlConnection connection = await source.OpenConnectionAsync(cancel);
            await using (var make = new NpgsqlCommand(
                "DROP TABLE IF EXISTS public.records; CREATE TABLE public.records (site bigint, operation smallint, size smallint, target smallint, outcome smallint, at timestamptz)", connection))
            {
                await make.ExecuteNonQueryAsync(cancel);
            }
            var clock = Stopwatch.StartNew();
            long copied = 0;
            DateTime at = DateTime.UtcNow;
            while (clock.Elapsed.TotalSeconds < parsed.GetValue(seconds))
            {
                await using NpgsqlBinaryImporter copy = await connection.BeginBinaryImportAsync(
                    "COPY public.records (site, operation, size, target, outcome, at) FROM STDIN (FORMAT BINARY)", cancel);
                for (int i = 0; i < parsed.GetValue(rows); i++)
                {
                    await copy.StartRowAsync(cancel);
                    await copy.WriteAsync(unchecked((long)addresses[zipf.Next()]), NpgsqlDbType.Bigint, cancel);
                    await copy.WriteAsync((short)2, NpgsqlDbType.Smallint, cancel);
                    await copy.WriteAsync((short)4, NpgsqlDbType.Smallint, cancel);
                    await copy.WriteAsync((short)1, NpgsqlDbType.Smallint, cancel);
                    await copy.WriteAsync((short)1, NpgsqlDbType.Smallint, cancel);
                    await copy.WriteAsync(at, NpgsqlDbType.TimestampTz, cancel);
                }
                copied += (long)await copy.CompleteAsync(cancel);
            }
            double took = clock.Elapsed.TotalSeconds;
            await using (var drop = new NpgsqlCommand("DROP TABLE public.records", connection))
                await drop.ExecuteNonQueryAsync(cancel);
            Console.WriteLine(JsonSerializer.Serialize(new { records = copied, seconds = took, per_second = copied / took }));
        });
        return command;
    }
}
