using System.CommandLine;
using System.Net;
using Grpc.Core;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Reheat.V1;

namespace Reheat.IngestBench;

/// <summary>The baseline: a gRPC server as generated code makes it, that reads the same stream and throws it away.</summary>
internal static class BareCommand
{
    private sealed class Discard : TraceIngest.TraceIngestBase
    {
        public override async Task Ingest(IAsyncStreamReader<IngestRequest> requestStream, IServerStreamWriter<IngestResponse> responseStream, ServerCallContext context)
        {
            await responseStream.WriteAsync(new IngestResponse { Welcome = new Welcome { LeaseSeconds = 60 } });
            while (await requestStream.MoveNext(context.CancellationToken))
            {
            }
        }
    }

    public static Command Create()
    {
        var command = new Command("bare", "serves TraceIngest and throws everything away; runs until its standard input ends");
        command.SetAction(async (parsed, cancel) =>
        {
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, e => e.Protocols = HttpProtocols.Http2));
            builder.Services.AddGrpc(g => g.MaxReceiveMessageSize = 4 << 20);
            await using WebApplication app = builder.Build();
            app.MapGrpcService<Discard>();
            await app.StartAsync(cancel);
            Console.WriteLine($"{{\"address\": \"{app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}\"}}");
            await Console.In.ReadToEndAsync(cancel);
        });
        return command;
    }
}
