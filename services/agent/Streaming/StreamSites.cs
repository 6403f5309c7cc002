using Reheat.Core;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>What an instruction did, and whether it was a trap or a hit.</summary>
internal readonly record struct SiteAccess(Core.Operation Operation, byte Size, string Target, Core.Outcome Outcome);

/// <summary>The dictionary of one stream, as the sender keeps it: which index each site has, and what of it the collector does not know yet.</summary>
internal sealed class StreamSites
{
    private readonly Dictionary<(ulong Ip, SiteAccess Access), int> _sites = [];
    private readonly Dictionary<SiteAccess, uint> _kinds = [];
    private readonly List<GuestAddress> _ips = [];
    private SiteColumns? _new;
    private ulong _lastAddress;

    /// <summary>Number of entries.</summary>
    public int Count => _ips.Count;

    /// <summary>The guest address of an entry.</summary>
    public GuestAddress Ip(uint index) => _ips[(int)index];

    /// <summary>The index of a site; a new one is added to the columns that <see cref="TakeNew"/> returns.</summary>
    public int IndexOf(GuestAddress ip, SiteAccess access, int image, ImageAddress address)
    {
        if (_sites.TryGetValue((ip.Value, access), out int index))
            return index;
        _new ??= new SiteColumns();
        if (!_kinds.TryGetValue(access, out uint kind))
        {
            _kinds.Add(access, kind = (uint)_kinds.Count);
            _new.NewKinds.Add(new SiteKind
            {
                Operation = (V1.Operation)access.Operation,
                Size = access.Size,
                Target = access.Target,
                Outcome = (V1.Outcome)access.Outcome,
            });
        }
        _new.Image.Add((uint)image);
        _new.AddressDelta.Add(unchecked((long)(address.Value - _lastAddress)));
        _new.Kind.Add(kind);
        _lastAddress = address.Value;
        index = _ips.Count;
        _sites.Add((ip.Value, access), index);
        _ips.Add(ip);
        return index;
    }

    /// <summary>Columns of the entries since the last call, or null.</summary>
    public SiteColumns? TakeNew()
    {
        SiteColumns? columns = _new;
        _new = null;
        _lastAddress = 0; // deltas begin anew in each message
        if (columns is not null && columns.Image.All(i => i == 0))
            columns.Image.Clear();
        return columns;
    }
}
