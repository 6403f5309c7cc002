using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>A list of all memory accesses of an object: more than any trace names.</summary>
internal static class MemorySites
{
    public static AnnotationList Of(string path, string policy = "padding=thunk", Func<CodeInstruction, bool>? wanted = null)
    {
        using ElfImage elf = ElfImage.Open(path);
        PatchedRanges patched = PatchedRanges.Read(elf);
        var reader = new FunctionReader(elf, patched);
        UnitTable units = UnitTable.From(DwarfInfo.Read(elf));
        var found = new List<UnitAnnotations>();
        foreach (ElfFunction function in elf.Functions.Where(f => f.IsSized))
        {
            FunctionCode code = reader.Decode(function);
            Annotation[] sites = [.. code.Instructions.ToArray()
                .Where(i => i.IsCounted && i.Instruction.Refusal == Refusal.None && (wanted?.Invoke(i) ?? true))
                .Select(i => new Annotation(i.Ordinal, [new AnnotatedAccess(OperationOf(i.Instruction), i.Instruction.AccessSize, "device")], code.Text(i)))];
            if (sites.Length > 0)
                found.Add(new(units.Find(function.Start) ?? function.FileName ?? "", [new(function.Name, code.Fingerprint, code.Sketch, [.. sites])]));
        }
        Assert.True(AnnotationPolicy.TryParse(policy, out AnnotationPolicy read, out _));
        return new AnnotationList { Architecture = elf.Is64 ? "x86-64" : "i386", Policy = read, Units = [.. found] }.Sorted();
    }

    private static Operation OperationOf(in SiteInstruction instruction) =>
        instruction.IsReadModifyWrite ? Operation.DeviceExchange : instruction.Writes ? Operation.DeviceWrite : Operation.DeviceRead;
}
