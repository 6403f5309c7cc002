using Reheat.Agent.Machine;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Agent.Streaming;

/// <summary>
/// A number for what a record touched, so that records are told apart without looking at names. A number below 0x10000 is the index into the session's
/// target names; others are names that the machine's memory map gave.
/// </summary>
internal sealed class TargetIds(IReadOnlyList<string> targets, TargetNamer namer)
{
    // Lines of 64 bytes, as the namer's own. A screen of 4 MiB that is written from end to end has more, and asks the namer once a line.
    private const int Lines = 1 << 12;
    private const int Mapped = 0x10000;

    private struct Line
    {
        public ulong Number;
        public int Generation;
        public int Id;
    }

    private readonly Line[] _lines = NoLines();
    private readonly List<string> _names = [];
    private readonly Dictionary<string, int> _ids = [];

    /// <summary>The number of what was touched.</summary>
    public int Of(ushort target, ulong access, RecordFlags flags)
    {
        if (target != RingFormat.TargetByAddress)
            return target;
        if ((flags & RecordFlags.VirtualAccess) != 0)
            return IdOf(TargetNames.Unknown);
        ulong number = access >> 6;
        ref Line line = ref _lines[(int)(number % Lines)];
        int generation = namer.Generation; // before the name: one that came meanwhile is asked for again
        if (line.Number == number && line.Generation == generation)
            return line.Id;
        line = new Line { Number = number, Generation = generation, Id = IdOf(namer.Name(new PhysicalAddress(access))) };
        return line.Id;
    }

    /// <summary>The name of a number.</summary>
    public string NameOf(int id) => id >= Mapped ? _names[id - Mapped] : id < targets.Count ? targets[id] : TargetNames.Unknown;

    private int IdOf(string name)
    {
        if (!_ids.TryGetValue(name, out int id))
        {
            _ids.Add(name, id = Mapped + _names.Count);
            _names.Add(name);
        }
        return id;
    }

    private static Line[] NoLines()
    {
        var lines = new Line[Lines];
        Array.Fill(lines, new Line { Generation = -1 });
        return lines;
    }
}
