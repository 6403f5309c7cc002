using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Core.X86;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>An observed site as the image explains it.</summary>
/// <param name="Observed">What was counted.</param>
/// <param name="Verdict">For the database.</param>
/// <param name="Code">The function; null if the site is in none.</param>
/// <param name="Unit">Its compile unit.</param>
/// <param name="Instruction">The instruction in it.</param>
/// <param name="Operation">What the instruction of the image intended: may be more than the half that the wedge saw.</param>
internal sealed record ResolvedSite(
    ObservedSite Observed, SiteVerdict Verdict, FunctionCode? Code = null, string Unit = "", CodeInstruction Instruction = default, Operation Operation = default)
{
    public bool IsAnnotated => Verdict.Refusal is null;

    /// <summary>True if it is an instruction that a list can name, refused or not.</summary>
    public bool HasOrdinal => Code is not null && Instruction.IsCounted && Verdict.Ordinal >= 0;
}

/// <summary>Resolves observed sites in their image, and judges them: nothing is annotated that was not decoded (design, invariant 3).</summary>
internal static class SiteResolver
{
    public static ResolvedSite Resolve(ResolvedImage image, ObservedSite site, AnnotationPolicy policy)
    {
        if (!image.Elf.IsExecutable(site.Address))
            return Refused(site, Refusal.OutsideImage, $"{site.Address} is in no executable section of {image.Elf.Name}");
        // An access in a thunk is its site's. A wedge may name it by either address.
        AnnotatedSite? moved = image.AnnotatedAt(site.Address) is { HasThunk: true } annotated
            && (annotated.Start == site.Address || annotated.Access.Start == site.Address) ? annotated : null;
        ImageAddress address = moved?.Start ?? site.Address;
        if (image.Elf.FindFunction(address) is not { } function)
            return Refused(site, Refusal.OutsideFunction, $"{address} has no symbol");
        FunctionCode code = image.Decode(function);
        int offset = (int)(address.Value - function.Start.Value);
        string unit = image.UnitOf(function);
        string source = image.LineOf(address)?.ToString() ?? "";
        if (code.At(offset) is not { } instruction)
        {
            return new ResolvedSite(site, Verdict(site, function.Name, offset, unit, source, "", -1, Refusal.NotAnInstruction, $"{site.Address} is inside an instruction"), code, unit);
        }
        SiteInstruction decoded = instruction.Instruction;
        (Refusal refusal, Operation operation, string detail, bool doubtCode) = Judge(image, site, moved?.Access.Start ?? site.Address, decoded, policy);
        if (refusal == Refusal.None && !instruction.IsCounted)
            refusal = Refusal.PatchedAtRunTime;
        return new ResolvedSite(
            site, Verdict(site, function.Name, offset, unit, source, code.Text(instruction), instruction.Ordinal, refusal, detail) with
            {
                Decoders = DecodersOf(image, site, address, decoded),
                DoubtedCode = doubtCode ? site.Code : null,
            },
            code, unit, instruction, operation);
    }

    public static ResolvedSite Refused(ObservedSite site, Refusal refusal, string detail) =>
        new(site, Verdict(site, "", 0, "", "", "", -1, refusal, detail));

    private static (Refusal Refusal, Operation Operation, string Detail, bool DoubtCode) Judge(
        ResolvedImage image, ObservedSite site, ImageAddress address, SiteInstruction decoded, AnnotationPolicy policy)
    {
        Operation operation = decoded.Intended(site.Key.Operation);
        PatchKinds patches = image.PatchesAt(address, decoded.Length);
        bool ranAsInImage = site.Code is null || image.Elf.BytesAt(address, site.Code.Length).SequenceEqual(site.Code);
        if ((patches & PatchKinds.AlternativeReplacement) != 0)
            return (Refusal.AlternativeReplacement, operation, "", false);
        if (!ranAsInImage)
        {
            if ((patches & PatchKinds.Rewritten) == 0)
                return (Refusal.BytesDiffer, operation, $"the guest ran {Convert.ToHexStringLower(site.Code!)}: is this the image that it runs?", true);
            // The bytes that ran were an alternative's. The original is what can be annotated; it must make the same access.
            var ran = SiteInstruction.Decode(site.Code, address.Value, image.Bitness);
            if (ran.Check(site.Key.Operation, site.Key.Size) is not Refusal.None and var wrong)
                return (wrong, operation, "as it ran", true);
            operation = (decoded.Reads, decoded.Writes) switch
            {
                (true, true) => site.Key.Operation,
                (true, false) => Read(site.Key.Operation),
                _ => Write(site.Key.Operation),
            };
        }
        if (decoded.Check(operation, site.Key.Size) is not Refusal.None and var refusal)
            return (refusal, operation, $"{decoded.Mnemonic} of {decoded.AccessSize} bytes, trapped as {site.Key.Operation.Name()} of {site.Key.Size}", false);
        if ((patches & PatchKinds.ExceptionSite) != 0)
            return (Refusal.ExceptionTable, operation, "", false);
        if ((patches & PatchKinds.Noinstr) != 0)
            return (Refusal.NoInstrument, operation, "", false);
        if ((patches & PatchKinds.Rewritten & ~PatchKinds.Alternative & ~PatchKinds.SmpLock) != 0)
            return (Refusal.PatchedAtRunTime, operation, patches.ToString(), false);
        long executions = Saturating.Add(site.Traps, site.Hits);
        if (executions < policy.MinimumTraps || site.Wedges < policy.MinimumWedges)
            return (Refusal.QuorumNotMet, operation, $"{executions} executions of {policy.MinimumTraps}, {site.Wedges} wedges of {policy.MinimumWedges}", false);
        return (Refusal.None, operation, (patches & PatchKinds.Alternative) != 0 ? "valid while the original of the alternative stands" : "", false);
    }

    /// <summary>Of what ran: where code was patched at run time, a guest's handler meets what stands there then.</summary>
    private static MmioDecoders DecodersOf(ResolvedImage image, ObservedSite site, ImageAddress address, SiteInstruction decoded)
    {
        if (site.Code is { Length: > 0 } code && SiteInstruction.Decode(code, address.Value, image.Bitness) is { IsValid: true } ran)
            decoded = ran;
        return new MmioDecoders(decoded.TdxDecodable, decoded.SevDecodable);
    }

    private static Operation Read(Operation operation) => operation is Operation.DeviceExchange or Operation.DeviceRead or Operation.DeviceWrite
        ? Operation.DeviceRead : Operation.PageTableRead;

    private static Operation Write(Operation operation) => operation is Operation.DeviceExchange or Operation.DeviceRead or Operation.DeviceWrite
        ? Operation.DeviceWrite : Operation.PageTableWrite;

    private static SiteVerdict Verdict(
        ObservedSite site, string function, int offset, string unit, string source, string instruction, int ordinal, Refusal refusal, string detail) =>
        new(site.Key, function, offset, unit, source, instruction, ordinal, refusal == Refusal.None ? null : refusal.Name(), detail);
}
