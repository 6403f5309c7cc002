using Grpc.Core;
using Microsoft.Extensions.Logging;
using Reheat.Agent.Streaming;
using Reheat.Core;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>Delivers what sessions that are over left in a spool, oldest first.</summary>
internal sealed class SpoolDrain(AgentOptions options, Spool spool, SentCuts cuts, SpoolClock spoolClock, AgentStatus status, TimeProvider clock, ILogger log, ulong agent)
{
    /// <summary>The images that a session's segments name, with no code: nothing is looked up in them.</summary>
    public static IReadOnlyList<GuestImage> ImagesOf(Spool spool, ulong epoch) =>
        [.. spool.ImagesOf(epoch).Select(i => new GuestImage(new BuildId(i.BuildId.Span), i.Name, new LoadBias(i.LoadBias), []))];

    /// <summary>Returns when all is acknowledged. A session that no collector will take is put aside, and said.</summary>
    public async Task RunAsync(ulong except, CancellationToken cancel)
    {
        foreach (ulong epoch in spool.Epochs)
        {
            if (epoch == except)
                continue;
            Hello hello = spool.HelloOf(epoch);
            var images = new ImageTable(ImagesOf(spool, epoch));
            try
            {
                await new StreamLoop(options, new SpooledSource(hello, spool, cuts, images, spoolClock), images, status, clock, log, agent).RunAsync(cancel);
                Log.SpoolDelivered(log, epoch);
            }
            catch (AgentException e) when (e.InnerException is RpcException { StatusCode: StatusCode.FailedPrecondition })
            {
                spool.PutAside(epoch);
                Log.SpoolPutAside(log, epoch, Spool.DirectoryOf(options.Spool!, options.Wedge), e.Message);
            }
        }
    }
}
