using Grpc.Core;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>The call of <see cref="TraceIngest"/>, with a checksum on every message of both sides.</summary>
internal static class CheckedIngest
{
    public static readonly Method<IngestRequest, IngestResponse> Method = new(
        MethodType.DuplexStreaming, TraceIngest.Descriptor.FullName, nameof(TraceIngest.TraceIngestBase.Ingest),
        new Marshaller<IngestRequest>(MessageChecksum.Encode, IngestRequest.Parser.ParseFrom),
        new Marshaller<IngestResponse>(MessageChecksum.Encode, Read));

    private static IngestResponse Read(byte[] bytes) =>
        MessageChecksum.IsRight(bytes)
            ? IngestResponse.Parser.ParseFrom(bytes)
            : throw new RpcException(new Status(StatusCode.DataLoss, "an answer of the collector was changed on its way: its checksum is wrong"));
}
