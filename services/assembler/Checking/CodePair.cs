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
    private readonly List<Deferred> _deferred = [];

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

    /// <summary>The new offset of an old one; -1 if no instruction began there.</summary>
    public int Map(long offset) => offset >= 0 && offset < _map.Length ? _map[offset] : -1;

    /// <summary>Walks both; null if they agree.</summary>
    public Fault? Walk()
    {
        int i = 0, j = 0, o = 0, n = 0;
        // Of NOPs passed over: they are where the next instruction is.
        int pending = 0;
        while (true)
        {
            if (_thunks.TryGetValue(j, out int behind))
            {
                j = behind;
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
            int expected = target.Map(deferred.OldTarget);
            // Before the section or behind it, or into an instruction's middle: as far as the nearest place moved.
            if (expected < 0 && deferred.OldTarget < 0)
                expected = (int)deferred.OldTarget;
            if (expected >= 0 && target.BehindPadding(expected) != target.BehindPadding((int)deferred.NewTarget))
                return new Fault(_old.Index, (ulong)deferred.From, $"+0x{deferred.From:x} leads to +0x{deferred.NewTarget:x} instead of +0x{expected:x}");
        }
        return null;
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
