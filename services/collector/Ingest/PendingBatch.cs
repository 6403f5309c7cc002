using Reheat.Core;
using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>A batch on its way to the database, and the stream that waits for its fate.</summary>
/// <param name="Batch">What is merged.</param>
/// <param name="ChangedImages">Images of keys that this process had not seen in the database when the batch came.</param>
/// <param name="Named">Dictionary indexes of what the stream counts for the first time: it may know their bytes.</param>
/// <param name="Stream">Told of the fate.</param>
internal sealed record PendingBatch(IngestBatch Batch, IReadOnlyCollection<BuildId> ChangedImages, IReadOnlyList<int> Named, StreamSession Stream);
