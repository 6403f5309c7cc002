using Grpc.Core;
using Reheat.V1;

namespace Reheat.Collector.Ingest.Wire;

/// <summary>What generated code has as TraceIngestBase, but for requests as <see cref="WireRequest"/> reads them. Nothing differs on the wire.</summary>
[BindServiceMethod(typeof(TraceIngestMethods), nameof(TraceIngestMethods.BindService))]
internal abstract class IngestServiceBase
{
    /// <summary>One call is one wedge's stream.</summary>
    public abstract Task Ingest(IAsyncStreamReader<WireRequest> requestStream, IServerStreamWriter<IngestResponse> responseStream, ServerCallContext context);
}

/// <summary>Binds <see cref="IngestServiceBase"/>, for which the server looks here.</summary>
internal static class TraceIngestMethods
{
    private static readonly Method<WireRequest, IngestResponse> Ingest = new(
        MethodType.DuplexStreaming, TraceIngest.Descriptor.FullName, nameof(IngestServiceBase.Ingest),
        new Marshaller<WireRequest>((_, _) => throw new NotSupportedException("a collector sends no requests"), WireRequest.Read),
        Marshallers.Create(static (IngestResponse answer) => MessageChecksum.Encode(answer), static bytes => IngestResponse.Parser.ParseFrom(bytes)));

    /// <summary>The service, for reflection.</summary>
    public static Google.Protobuf.Reflection.ServiceDescriptor Descriptor => TraceIngest.Descriptor;

    /// <summary>Called by the server, once without a service.</summary>
    public static void BindService(ServiceBinderBase binder, IngestServiceBase? service) =>
        binder.AddMethod(Ingest, service is null ? null : new DuplexStreamingServerMethod<WireRequest, IngestResponse>(service.Ingest));
}
