using Iced.Intel;
using Reheat.Assembler.Emission;
using Reheat.Core.Elf;

namespace Reheat.Assembler.Checking;

internal sealed partial class CodePair
{
    // What stands in a planned place: the instruction with its NOPs, or the transfer to a thunk with the instruction.
    private string? Site(SitePlan plan, int i, ref int j)
    {
        int site = j;
        j += plan.Extent;
        if (j > _newBytes.Length)
            return "the section ends in the site";
        Instruction old = Decode(_oldDecoder, _oldReader, i, _oldBytes.Length);
        if (old.IsInvalid || old.Length != plan.Length)
            return "no instruction of the planned length";
        if (plan.IsSelftest)
            return Thunk(old, i, site);
        Instruction @new = Decode(_newDecoder, _newReader, site, _newBytes.Length);
        if (CompareAt(i, old, site, @new) is { } difference)
            return difference;
        return _newBytes.AsSpan(site + plan.Length, plan.Padding).SequenceEqual(Padding.Bytes(plan.Padding, _bitness))
            ? null
            : "other bytes than the planned NOPs follow the instruction";
    }

    private string? Thunk(in Instruction old, int i, int site)
    {
        Instruction jump = Decode(_newDecoder, _newReader, site, _newBytes.Length);
        if (jump.Mnemonic != Mnemonic.Jmp || jump.Length != Padding.Transfer || jump.NearBranchTarget >= (ulong)_newBytes.Length)
            return "no jump to a thunk";
        int start = (int)jump.NearBranchTarget, at = start;
        foreach (Mnemonic expected in (ReadOnlySpan<Mnemonic>)(_bitness == 64
            ? [Mnemonic.Lea, Mnemonic.Pushfq, Mnemonic.Inc, Mnemonic.Popfq, Mnemonic.Lea]
            : [Mnemonic.Pushfd, Mnemonic.Add, Mnemonic.Adc, Mnemonic.Popfd]))
        {
            Instruction step = Decode(_newDecoder, _newReader, at, _newBytes.Length);
            if (step.Mnemonic != expected)
                return $"the thunk has {step.Mnemonic} instead of {expected}";
            if (step.Mnemonic == Mnemonic.Lea && (step.Op0Register != Register.RSP || step.MemoryBase != Register.RSP || step.MemoryIndex != Register.None ||
                (long)step.MemoryDisplacement64 != (at == start ? -SelftestThunk.RedZone : SelftestThunk.RedZone)))
                return "the thunk moves the stack pointer elsewhere";
            if (step.Mnemonic is Mnemonic.Inc or Mnemonic.Add && CounterAt(at, step) is { } counter)
                _counters[site] = counter;
            at += step.Length;
        }
        Instruction moved = Decode(_newDecoder, _newReader, at, _newBytes.Length);
        if (CompareAt(i, old, at, moved) is { } difference)
            return $"the instruction means another thing in the thunk: {difference}";
        at += moved.Length;
        Instruction back = Decode(_newDecoder, _newReader, at, _newBytes.Length);
        if (back.Mnemonic != Mnemonic.Jmp || back.NearBranchTarget != (ulong)(site + Padding.Transfer))
            return "the thunk does not go back to the site";
        _thunks[start] = at + back.Length;
        return null;
    }

    // What the counting instruction's relocation names.
    private (int Section, long Offset)? CounterAt(int at, in Instruction step)
    {
        int n = First(_newRelocations, at);
        if (n >= _newRelocations.Length || _newRelocations[n].Offset >= (ulong)(at + step.Length) || !step.HasLockPrefix)
            return null;
        ElfRelocation relocation = _newRelocations[n];
        ElfSymbol symbol = _newElf.Symbols[relocation.SymbolIndex];
        long end = step.IsIPRelativeMemoryOperand ? at + step.Length - (long)relocation.Offset : 0;
        return (symbol.SectionIndex, (long)symbol.Value + relocation.Addend + end);
    }

    private string? CompareAt(int i, in Instruction old, int j, in Instruction @new)
    {
        int o = First(_oldRelocations, i), n = First(_newRelocations, j);
        return Compare(i, old, ref o, j, @new, ref n);
    }

    // Null if both do the same. Relocations from o and n on; both are moved behind the instructions.
    private string? Compare(int i, in Instruction old, ref int o, int j, in Instruction @new, ref int n)
    {
        if (old.IsInvalid || @new.IsInvalid)
            return old.IsInvalid == @new.IsInvalid && _oldBytes[i] == _newBytes[j] ? null : "no instruction";
        Skip(_oldRelocations, ref o, i);
        Skip(_newRelocations, ref n, j);
        int relocations = o;
        bool isBranch = old.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64 && old.OpCount > 0;
        Span<bool> free = stackalloc bool[16];
        for (; o < _oldRelocations.Length && _oldRelocations[o].Offset < (ulong)(i + old.Length); o++, n++)
        {
            if (n >= _newRelocations.Length || _newRelocations[n].Offset >= (ulong)(j + @new.Length))
                return "a relocation is gone";
            ElfRelocation a = _oldRelocations[o], b = _newRelocations[n];
            if (a.Type != b.Type || (!isBranch && a.Offset - (ulong)i != b.Offset - (ulong)j))
                return "another relocation";
            if (Reference(i, old.Length, a, b) is { } difference)
                return difference;
            // In i386 objects the addend stands in the bytes.
            free.Slice((int)(a.Offset - (ulong)i), Math.Min(4, old.Length - (int)(a.Offset - (ulong)i))).Fill(true);
        }
        if (n < _newRelocations.Length && _newRelocations[n].Offset < (ulong)(j + @new.Length))
            return "one relocation more";
        if (isBranch)
        {
            if (old.Mnemonic != @new.Mnemonic)
                return $"{old.Mnemonic} became {@new.Mnemonic}";
            if (o == relocations)
                _deferred.Add(new Deferred(i, _old.Index, (long)old.NearBranchTarget, _new.Index, (long)@new.NearBranchTarget));
            return null;
        }
        if (old.Length != @new.Length)
            return $"{old.Length} bytes became {@new.Length}";
        if (old.IsIPRelativeMemoryOperand && o == relocations)
        {
            _deferred.Add(new Deferred(i, _old.Index, (long)old.IPRelativeMemoryAddress, _new.Index, (long)@new.IPRelativeMemoryAddress));
            free.Slice(_oldDecoder.GetConstantOffsets(old).DisplacementOffset, 4).Fill(true);
        }
        for (int k = 0; k < old.Length; k++)
        {
            if (!free[k] && _oldBytes[i + k] != _newBytes[j + k])
                return $"byte {k} of {old.Mnemonic} differs";
        }
        return null;
    }

    private string? Reference(int from, int length, ElfRelocation a, ElfRelocation b)
    {
        ElfSymbol old = _oldElf.Symbols[a.SymbolIndex], @new = _newElf.Symbols[b.SymbolIndex];
        if (SymbolDifference(old, @new) is { } difference)
            return difference;
        if (old.Section is not { IsExecutable: true })
            return a.Addend == b.Addend ? null : $"another place of {old.Section?.Name ?? old.Name}";
        // The processor counts from the next instruction. A symbol with an offset leads into the code behind it, which may have moved.
        long end = ElfRelocationTypes.IsFromPlace(_oldElf.Machine, a.Type) ? from + length - (long)a.Offset : 0;
        _deferred.Add(new Deferred(from, old.SectionIndex, (long)old.Value + a.Addend + end, @new.SectionIndex, (long)@new.Value + b.Addend + end));
        return null;
    }

    /// <summary>Why two symbols are not each other's; null if they are.</summary>
    public static string? SymbolDifference(ElfSymbol old, ElfSymbol @new)
    {
        if (old.Type != @new.Type)
            return "a relocation against another kind of symbol";
        if (old.Type != ElfSymbolType.Section)
            return old.NameBytes.SequenceEqual(@new.NameBytes) ? null : $"a relocation against {@new.Name} instead of {old.Name}";
        return old.Section!.Name == @new.Section!.Name ? null : $"a relocation against {@new.Section.Name} instead of {old.Section.Name}";
    }

    private static int First(ElfRelocation[] relocations, int offset)
    {
        int low = 0, high = relocations.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (relocations[middle].Offset < (ulong)offset)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
