using Grpc.Core;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>
/// The sites that one stream has named, by index. Keys are computed once here, so that a row of a batch costs an array access.
/// </summary>
internal sealed class StreamDictionary(IReadOnlyList<BuildId> images, TargetStore targets, int maxSites, int maxKinds = 4096)
{
    private readonly record struct Kind(Core.Operation Operation, byte Size, short Target, Core.Outcome Outcome);

    private readonly List<Kind> _kinds = [];
    private readonly List<SiteRef> _sites = [];
    private readonly List<CountKey> _keys = [];

    public int Count => _keys.Count;

    public CountKey Key(int index) => _keys[index];

    public SiteRef Site(int index) => _sites[index];

    /// <summary>Appends entries.</summary>
    /// <returns>Null, or what is wrong; nothing is appended then, and the stream cannot go on: later indexes would mean other sites.</returns>
    public async ValueTask<ColumnFault?> AppendAsync(SiteColumns columns, int maxRows, CancellationToken cancel)
    {
        int rows = columns.AddressDelta.Count;
        if (rows > maxRows)
            return new ColumnFault(StatusCode.ResourceExhausted, $"new_sites has {rows} rows: at most {maxRows} a batch");
        if (_keys.Count + rows > maxSites)
            return new ColumnFault(StatusCode.ResourceExhausted, $"the stream names {_keys.Count + rows} sites: at most {maxSites} a stream");
        if (columns.Kind.Count != rows)
            return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.kind has {columns.Kind.Count} rows, address_delta has {rows}: they must be equal");
        if (columns.Image.Count != 0 && columns.Image.Count != rows)
            return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.image has {columns.Image.Count} rows, address_delta has {rows}: leave it empty or fill every row");
        if (_kinds.Count + columns.NewKinds.Count > maxKinds)
            return new ColumnFault(StatusCode.ResourceExhausted, $"the stream names {_kinds.Count + columns.NewKinds.Count} kinds: at most {maxKinds} a stream");

        var kinds = new List<Kind>(columns.NewKinds.Count);
        foreach (SiteKind kind in columns.NewKinds)
        {
            if (Check(kind) is { } wrong)
                return new ColumnFault(StatusCode.InvalidArgument, wrong);
            if (await targets.GetOrAddAsync(kind.Target, cancel) is not { } target)
            {
                return new ColumnFault(StatusCode.ResourceExhausted,
                    $"new_kinds.target \"{kind.Target}\" is new, and the database has {targets.Limit} target names: it takes at most {targets.Limit} (Collector:MaxTargets)");
            }
            kinds.Add(new Kind((Core.Operation)kind.Operation, (byte)kind.Size, target, (Core.Outcome)kind.Outcome));
        }
        for (int i = 0; i < rows; i++)
        {
            if (columns.Kind[i] >= _kinds.Count + kinds.Count)
                return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.kind[{i}] is {columns.Kind[i]}: the stream has named {_kinds.Count + kinds.Count} kinds");
            uint image = columns.Image.Count == 0 ? 0 : columns.Image[i];
            if (image >= images.Count)
                return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.image[{i}] is {image}: the hello named {images.Count} images");
        }

        _kinds.AddRange(kinds);
        ulong address = 0;
        for (int i = 0; i < rows; i++)
        {
            // Modulo 2^64: kernel addresses are near the top, and any sum of deltas is some address.
            address = unchecked(address + (ulong)columns.AddressDelta[i]);
            BuildId image = images[columns.Image.Count == 0 ? 0 : (int)columns.Image[i]];
            var site = new SiteRef(SiteId.Of(image, new ImageAddress(address)), image, new ImageAddress(address));
            Kind kind = _kinds[(int)columns.Kind[i]];
            _sites.Add(site);
            _keys.Add(new CountKey(site.Site, kind.Operation, kind.Size, kind.Target, kind.Outcome));
        }
        return null;
    }

    private static string? Check(SiteKind kind) => kind switch
    {
        _ when !((Core.Operation)kind.Operation).IsKnown() => $"new_kinds.operation is {(int)kind.Operation}: not an operation that this collector knows",
        _ when kind.Size is not (1 or 2 or 4 or 8 or 16 or 32 or 64) => $"new_kinds.size is {kind.Size}: expected 1, 2, 4, 8, 16, 32 or 64",
        _ when kind.Outcome is not (V1.Outcome.Trap or V1.Outcome.Hit) => $"new_kinds.outcome is {(int)kind.Outcome}: expected trap or hit",
        _ when !TargetName.IsValid(kind.Target) => $"new_kinds.target is \"{kind.Target}\": expected {TargetName.Expected}",
        _ => null,
    };
}

/// <summary>Why a stream's columns cannot be taken.</summary>
internal readonly record struct ColumnFault(StatusCode Status, string Message);
