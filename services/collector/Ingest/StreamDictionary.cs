using Grpc.Core;
using Reheat.Collector.Limits;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>
/// The sites that one stream has named, by index. Keys are looked up once here, so that a row of a batch costs an array access; what they are stands in
/// the table that all streams share, as ten thousand streams of one build name the same sites.
/// </summary>
internal sealed class StreamDictionary(
    KeyTables.Held held, KeyBudget budget, IReadOnlyList<BuildId> images, TargetStore targets, LookUps lookUps, StreamLimits limits) : IDisposable
{
    private const int MaxKinds = 4096;

    private readonly record struct Kind(Core.Operation Operation, byte Size, short Target, Core.Outcome Outcome);

    private readonly List<Kind> _kinds = [];
    private int[] _numbers = [];
    private Core.Outcome[] _outcomes = [];

    public int Count { get; private set; }

    public KeyTable Keys => held.Table;

    /// <summary>The key's number in the table.</summary>
    public int Number(int index) => _numbers[index];

    public Core.Outcome OutcomeOf(int index) => _outcomes[index];

    public SiteRef Site(int index) => held.Table.Site(_numbers[index]);

    /// <summary>Appends entries.</summary>
    /// <returns>Null, or what is wrong; the stream cannot go on then: later indexes would mean other sites.</returns>
    public async ValueTask<ColumnFault?> AppendAsync(SiteColumns columns, CancellationToken cancel)
    {
        int rows = columns.AddressDelta.Count;
        if (rows > limits.BatchRows.Most)
            return ColumnFault.Limit(limits.BatchRows, rows, $"new_sites has {rows} rows: {limits.BatchRows}");
        if (Count + rows > limits.Sites.Most)
            return ColumnFault.Limit(limits.Sites, Count + rows, $"the stream names {Count + rows} sites: {limits.Sites}");
        if (columns.Kind.Count != rows)
            return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.kind has {columns.Kind.Count} rows, address_delta has {rows}: they must be equal");
        if (columns.Image.Count != 0 && columns.Image.Count != rows)
            return new ColumnFault(StatusCode.InvalidArgument, $"new_sites.image has {columns.Image.Count} rows, address_delta has {rows}: leave it empty or fill every row");
        if (_kinds.Count + columns.NewKinds.Count > MaxKinds)
        {
            return ColumnFault.Limit(new StreamLimit(limits.Subject, nameof(MaxKinds), MaxKinds, "stream"), _kinds.Count + columns.NewKinds.Count,
                $"the stream names {_kinds.Count + columns.NewKinds.Count} kinds: at most {MaxKinds} a stream");
        }

        var kinds = new List<Kind>(columns.NewKinds.Count);
        foreach (SiteKind kind in columns.NewKinds)
        {
            if (Check(kind) is { } wrong)
                return new ColumnFault(StatusCode.InvalidArgument, wrong);
            if (targets.Find(kind.Target) is not { } target)
            {
                // Others may have asked for the same name while this one waited at the door.
                TargetNumber found = await lookUps.RunAsync(
                    async () => targets.Find(kind.Target) is { } known ? new TargetNumber(known) : await targets.GetOrAddAsync(kind.Target, limits.Subject, cancel), cancel);
                if (found.Number is not { } number)
                {
                    var limit = found.IsOwnLimit ? new StreamLimit(limits.Subject, "MaxNewTargets", targets.LimitEach, "wedge or token") : new StreamLimit("database", "MaxTargets", targets.Limit, "database");
                    return ColumnFault.Limit(limit, limit.Most + 1, $"new_kinds.target \"{kind.Target}\" is new, and there are {limit.Most} target names of {limit.Subject}: {limit}");
                }
                target = number;
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
        if (_numbers.Length < Count + rows)
        {
            int size = Math.Max(Count + rows, Math.Min(_numbers.Length * 2, Count + rows + 4096));
            Array.Resize(ref _numbers, size);
            Array.Resize(ref _outcomes, size);
        }
        ulong address = 0;
        for (int i = 0; i < rows; i++)
        {
            // Modulo 2^64: kernel addresses are near the top, and any sum of deltas is some address.
            address = unchecked(address + (ulong)columns.AddressDelta[i]);
            BuildId image = images[columns.Image.Count == 0 ? 0 : (int)columns.Image[i]];
            var site = new SiteRef(SiteId.Of(image, new ImageAddress(address)), image, new ImageAddress(address));
            Kind kind = _kinds[(int)columns.Kind[i]];
            int number = held.Table.NumberOf(new CountKey(site.Site, kind.Operation, kind.Size, kind.Target, kind.Outcome), site);
            if (number < 0)
            {
                // Not this stream's fault: it may come again when others have gone, or go to another collector.
                held.MakeRoom();
                var most = new StreamLimit("collector", "MaxKeys", budget.Most, "collector");
                return ColumnFault.Limit(most, budget.Held + 1, $"the streams of this collector count {budget.Held} distinct things: {most}") with { Status = StatusCode.Unavailable };
            }
            _numbers[Count] = number;
            _outcomes[Count++] = kind.Outcome;
        }
        return null;
    }

    /// <summary>Lets go of the table.</summary>
    public void Dispose() => held.Dispose();

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
/// <param name="Status">What the stream ends with.</param>
/// <param name="Message">What, where, the value.</param>
/// <param name="Exceeded">The limit, if it is one.</param>
internal readonly record struct ColumnFault(StatusCode Status, string Message, ExceededLimit? Exceeded = null)
{
    /// <summary>A limit is exceeded.</summary>
    public static ColumnFault Limit(StreamLimit limit, long asked, string message) => new(StatusCode.ResourceExhausted, message, limit.Exceeded(asked));
}
