using Iced.Intel;
using Reheat.Assembler.Emission;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler.Checking;

/// <summary>Something in the annotated object that must not be so.</summary>
/// <param name="Section">Section of the fresh object.</param>
/// <param name="Offset">Where in it.</param>
/// <param name="Message">What is wrong.</param>
internal sealed record Fault(int Section, ulong Offset, string Message);

/// <summary>
/// One section of code, fresh and annotated, walked side by side: nothing may differ but NOPs, the planned changes, and branches by what
/// moved. Gives where each old offset is now.
/// </summary>
internal sealed partial class CodePair
{
    private readonly ElfImage _oldElf;
    private readonly ElfImage _newElf;
    private readonly ElfSection _old;
    private readonly ElfSection _new;
    private readonly byte[] _oldBytes;
    private readonly byte[] _newBytes;
    private readonly ElfRelocation[] _oldRelocations;
    private readonly ElfRelocation[] _newRelocations;
    private readonly Decoder _oldDecoder;
    private readonly Decoder _newDecoder;
    private readonly ByteArrayCodeReader _oldReader;
    private readonly ByteArrayCodeReader _newReader;
    private readonly int[] _map;
    private readonly int _bitness;
    private readonly Dictionary<int, SitePlan> _sites;
    private readonly Dictionary<int, int> _thunks = [];
    private readonly Dictionary<int, (int Section, long Offset)> _counters = [];
    private readonly List<Deferred> _deferred = [];
    private bool _passed;

    // Where two references must lead to the same place; known when all sections are walked.
    private readonly record struct Deferred(int From, int OldSection, long OldTarget, int NewSection, long NewTarget);

    public CodePair(ElfImage oldElf, ElfSection old, ElfImage newElf, ElfSection @new, IEnumerable<SitePlan> plans)
    {
        (_oldElf, _old, _newElf, _new) = (oldElf, old, newElf, @new);
        _bitness = oldElf.Is64 ? 64 : 32;
        (_oldBytes, _newBytes) = (old.Bytes.ToArray(), @new.Bytes.ToArray());
        (_oldRelocations, _newRelocations) = (oldElf.RelocationsOf(old).ToArray(), newElf.RelocationsOf(@new).ToArray());
        (_oldReader, _newReader) = (new ByteArrayCodeReader(_oldBytes), new ByteArrayCodeReader(_newBytes));
        (_oldDecoder, _newDecoder) = (Decoder.Create(_bitness, _oldReader), Decoder.Create(_bitness, _newReader));
        _map = new int[_oldBytes.Length + 1];
        _map.AsSpan().Fill(-1);
        _sites = [];
        foreach (SitePlan plan in plans)
        {
            foreach (PlannedPlace place in plan.Places)
            {
                if (place.Section == old.Index)
                    _sites[(int)place.Offset] = plan;
            }
        }
    }

    public ElfSection Old => _old;

    public ElfSection New => _new;

    /// <summary>The new offset of an old one; -1 if nothing of what stood there is left.</summary>
    public int Map(long offset) => offset >= 0 && offset < _map.Length ? _map[offset] : -1;

    /// <summary>Where the thunk of the site at a new offset counts.</summary>
    public (int Section, long Offset)? CounterOf(int site) => _counters.TryGetValue(site, out (int, long) counter) ? counter : null;

    /// <summary>Whether a place of the new code is what an old one has become. Places before the section or behind it stay as far from it.</summary>
    public bool IsSamePlace(long old, long @new)
    {
        if (old < 0)
            return @new == old;
        if (old > _oldBytes.Length)
            return @new - _newBytes.Length == old - _oldBytes.Length;
        int expected = Map(old);
        return expected >= 0 && (expected == @new || BehindPadding(expected) == BehindPadding((int)@new));
    }

    /// <summary>Walks both; null if they agree.</summary>
    public Fault? Walk()
    {
        int i = 0, j = 0, o = 0, n = 0;
        // Of NOPs passed over: they are where the next instruction is.
        int pending = 0;
        bool falls = true;
        while (true)
        {
            if (PassThunks(ref j))
            {
                if (falls && !_passed)
                    return new Fault(_old.Index, (ulong)Math.Max(pending - 1, 0), "the code before a thunk runs into it");
                continue;
            }
            Instruction @new = Decode(_newDecoder, _newReader, j, _newBytes.Length);
            Skip(_newRelocations, ref n, j);
            if (j < _newBytes.Length && IsPadding(@new, _newRelocations, n, j))
            {
                j += @new.Length;
                continue;
            }
            if (i < _oldBytes.Length && _sites.TryGetValue(i, out SitePlan? plan))
            {
                _map.AsSpan(pending, i + 1 - pending).Fill(j);
                MapInside(i, j, plan.IsSelftest ? 1 : plan.Length);
                falls = true;
                if (Site(plan, i, ref j) is { } bad)
                    return new Fault(_old.Index, (ulong)i, bad);
                i += plan.Length;
                pending = i;
                Skip(_oldRelocations, ref o, i);
                Skip(_newRelocations, ref n, j);
                continue;
            }
            Instruction old = Decode(_oldDecoder, _oldReader, i, _oldBytes.Length);
            Skip(_oldRelocations, ref o, i);
            if (i < _oldBytes.Length && IsPadding(old, _oldRelocations, o, i))
            {
                i += old.Length;
                continue;
            }
            if (i >= _oldBytes.Length || j >= _newBytes.Length)
                break;
            _map.AsSpan(pending, i + 1 - pending).Fill(j);
            if (Compare(i, old, ref o, j, @new, ref n) is { } difference)
                return new Fault(_old.Index, (ulong)i, $"+0x{i:x}: {difference}");
            falls = old.FlowControl is not (FlowControl.UnconditionalBranch or FlowControl.IndirectBranch or FlowControl.Return or FlowControl.Exception);
            if (old.Length == @new.Length)
                MapInside(i, j, old.Length);
            i += old.IsInvalid ? 1 : old.Length;
            j += @new.IsInvalid ? 1 : @new.Length;
            pending = i;
        }
        if (i < _oldBytes.Length || j < _newBytes.Length)
            return new Fault(_old.Index, (ulong)Math.Min(i, _oldBytes.Length), $"{_oldBytes.Length - i} bytes of code are missing, or {_newBytes.Length - j} too many");
        _map.AsSpan(pending).Fill(j);
        return null;
    }

    /// <summary>Whether references lead to the same places; all sections must have been walked.</summary>
    public Fault? CheckReferences(IReadOnlyDictionary<int, CodePair> pairs)
    {
        foreach (Deferred deferred in _deferred)
        {
            if (!pairs.TryGetValue(deferred.OldSection, out CodePair? target) || target.New.Index != deferred.NewSection)
                return new Fault(_old.Index, (ulong)deferred.From, $"+0x{deferred.From:x} leads to another section");
            if (!target.IsSamePlace(deferred.OldTarget, deferred.NewTarget))
                return new Fault(_old.Index, (ulong)deferred.From, $"+0x{deferred.From:x} leads to +0x{deferred.NewTarget:x}, which is not what +0x{deferred.OldTarget:x} has become");
        }
        return null;
    }

    private void MapInside(int i, int j, int length)
    {
        for (int k = 1; k < length; k++)
            _map[i + k] = j + k;
    }

    // Behind the thunks that begin here, and the jump over them that stands before them where the code goes on.
    private bool PassThunks(ref int j)
    {
        int at = j;
        bool hasJump = false;
        if (!_thunks.ContainsKey(at) && _thunks.ContainsKey(at + Padding.Transfer))
        {
            at += Padding.Transfer;
            hasJump = true;
        }
        int start = at;
        while (_thunks.TryGetValue(at, out int behind))
            at = behind;
        if (at == start)
            return false;
        if (hasJump && Decode(_newDecoder, _newReader, j, _newBytes.Length) is var jump && (jump.Mnemonic != Mnemonic.Jmp || jump.Length != Padding.Transfer || jump.NearBranchTarget != (ulong)at))
            return false;
        _passed = hasJump;
        j = at;
        return true;
    }

    private int BehindPadding(int offset)
    {
        while (offset >= 0 && offset < _newBytes.Length && Decode(_newDecoder, _newReader, offset, _newBytes.Length) is var instruction &&
            !instruction.IsInvalid && IsPadding(instruction, _newRelocations, _newRelocations.Length, offset))
        {
            offset += instruction.Length;
        }
        return offset;
    }

    private static Instruction Decode(Decoder decoder, ByteArrayCodeReader reader, int at, int length)
    {
        if (at >= length)
            return default;
        reader.Position = at;
        decoder.IP = (ulong)at;
        return decoder.Decode();
    }

    private bool IsPadding(in Instruction instruction, ElfRelocation[] relocations, int next, int at)
    {
        if (instruction.IsInvalid || instruction.Mnemonic is Mnemonic.Endbr32 or Mnemonic.Endbr64)
            return false;
        bool relocated = next < relocations.Length && relocations[next].Offset >= (ulong)at && relocations[next].Offset < (ulong)(at + instruction.Length);
        return Uncounted.Is(instruction, _bitness, relocated);
    }

    private static void Skip(ElfRelocation[] relocations, ref int next, int to)
    {
        while (next < relocations.Length && relocations[next].Offset < (ulong)to)
            next++;
    }
}
