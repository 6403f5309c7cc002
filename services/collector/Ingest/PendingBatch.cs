using Reheat.Core;
using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>A batch on its way to the database, and the stream that waits for its fate.</summary>
/// <param name="Batch">What is merged.</param>
/// <param name="NewKeys">Keys that this process had not seen committed when the batch came.</param>
/// <param name="ChangedImages">Their images.</param>
/// <param name="NamedSites">Sites that the stream counts for the first time: it may know their bytes.</param>
/// <param name="Stream">Told of the fate.</param>
internal sealed record PendingBatch(
    IngestBatch Batch, IReadOnlyList<CountKey> NewKeys, IReadOnlyList<BuildId> ChangedImages, IReadOnlyList<SiteId> NamedSites, StreamSession Stream);
