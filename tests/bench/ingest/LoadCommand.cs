using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Grpc.Net.Client;

namespace Reheat.IngestBench;

/// <summary>What the load is like.</summary>
internal sealed record LoadOptions(
    Uri Collector, int Wedges, int Builds, int Records, bool Folded, double Interval, double Seconds, int Window, bool Bare, string Prefix);

/// <summary>Wedges that stream to a collector.</summary>
internal static class LoadCommand
{
    public static Command Create()
    {
        var collector = new Option<string>("--collector") { Required = true };
        var sites = new Option<string>("--sites") { Required = true };
        var wedges = new Option<int>("--wedges") { DefaultValueFactory = _ => 1 };
        var builds = new Option<int>("--builds") { DefaultValueFactory = _ => 1, Description = "1: one hot build" };
        var records = new Option<int>("--records") { DefaultValueFactory = _ => 10_000, Description = "of a batch" };
        var folded = new Option<bool>("--folded");
        var interval = new Option<double>("--interval") { Description = "seconds between a wedge's batches; 0: as fast as they are taken" };
        var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 10 };
        var window = new Option<int>("--window") { DefaultValueFactory = _ => 512 };
        var bare = new Option<bool>("--bare") { Description = "nothing is acknowledged" };
        var prefix = new Option<string>("--prefix") { DefaultValueFactory = _ => "load" };
        var connections = new Option<int>("--connections") { DefaultValueFactory = _ => 1 };
        var command = new Command("load", "streams batches") { collector, sites, wedges, builds, records, folded, interval, seconds, window, bare, prefix, connections };
        command.SetAction(async (parsed, cancel) =>
        {
            var options = new LoadOptions(
                new Uri(parsed.GetValue(collector)!), parsed.GetValue(wedges), parsed.GetValue(builds), parsed.GetValue(records), parsed.GetValue(folded),
                parsed.GetValue(interval), parsed.GetValue(seconds), parsed.GetValue(window), parsed.GetValue(bare), parsed.GetValue(prefix)!);
            var payloads = new Payloads(SitesCommand.Read(parsed.GetValue(sites)!), options.Records, options.Folded, seed: 1);
            GrpcChannel[] channels = [.. Enumerable.Range(0, parsed.GetValue(connections)).Select(_ => Open(options.Collector))];
            var figures = new LoadFigures();
            var opened = new TaskCompletionSource();
            LoadWedge[] wedgesOfLoad = [.. Enumerable.Range(0, options.Wedges).Select(i => new LoadWedge(i, options, payloads, figures))];
            Task[] running = [.. wedgesOfLoad.Select((w, i) => w.RunAsync(channels[i % channels.Length], opened.Task, cancel))];
            while (figures.Opened < options.Wedges)
            {
                if (running.FirstOrDefault(t => t.IsFaulted) is { } failed)
                    await failed;
                await Task.Delay(20, cancel);
            }
            Console.Error.WriteLine($"{options.Wedges} streams open");
            figures.Begin();
            opened.SetResult();
            await Task.WhenAll(running);
            foreach (LoadWedge wedge in wedgesOfLoad)
                wedge.Dispose();
            double took = figures.Elapsed;
            double rows = payloads.RowsPerBatch * figures.Batches;
            using Process own = Process.GetCurrentProcess();
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                wedges = options.Wedges,
                records = figures.Records,
                batches = figures.Batches,
                seconds = took,
                per_second = figures.Records / took,
                rows,
                distinct = payloads.Distinct,
                bytes = figures.Bytes,
                bytes_per_record = (double)figures.Bytes / figures.Records,
                bytes_per_row = figures.Bytes / rows,
                ack_p50_ms = figures.Latency(0.5),
                ack_p99_ms = figures.Latency(0.99),
                refusals = figures.Refusals,
                cpu_seconds = own.TotalProcessorTime.TotalSeconds,
                peak_bytes = own.PeakWorkingSet64,
            }));
            return figures.Refusals == 0 ? 0 : 1;
        });
        return command;
    }

    private static GrpcChannel Open(Uri collector) => GrpcChannel.ForAddress(collector, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true },
        DisposeHttpClient = true,
    });
}
