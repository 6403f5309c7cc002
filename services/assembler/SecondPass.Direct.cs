using System.Text;
using Reheat.Assembler.Checking;
using Reheat.Assembler.Emission;
using Reheat.Assembler.Gas;
using Reheat.Assembler.Matching;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler;

internal sealed partial class SecondPass
{
    // One assembly instead of two, for files whose listed functions have not changed. The statements are guessed, and the object shows whether the
    // guess is right: its functions have the list's fingerprints, for which NOPs are nothing, and its records bracket the listed instructions. What
    // lies outside of these functions cannot have changed either where no place of the code is counted in bytes. Null if anything is not as it
    // has to be: then two assemblies find out what is.
    private int? Direct(byte[] text, SourceScan scan, AnnotationList annotations, AnnotationPolicy policy, Report report, string prefix)
    {
        if (settings.Twice || policy.ClassOne || policy.Padding != PaddingStyle.Thunk || Command.ShowsText || Command.DefinesSymbols || !scan.IsByLabels ||
            StatementGuess.Plans(text, scan, annotations) is not { Count: > 0 } plans)
            return null;
        ReadOnlySpan<byte> annotated = AnnotatedText.Write(text, scan, plans, prefix, Command.Bitness, Command.Input);
        if (toolchain.AssembleOutput(annotated, out string messages, FunctionCode.WarmUp) != 0 || Confirmed(text, scan, annotations, policy) is not { } sites)
            return null;
        report.Sites.AddRange(sites);
        Native.Write(2, Encoding.UTF8.GetBytes(messages));
        return 0;
    }

    private List<Site>? Confirmed(byte[] text, SourceScan scan, AnnotationList annotations, AnnotationPolicy policy)
    {
        try
        {
            if (!ElfImage.TryOpen(Command.Output, out ElfImage? elf, out _))
                return null;
            using (elf)
            {
                var annotated = new FreshObject(elf, new LabelledText());
                List<Site> sites = [.. Match(annotations, annotated)];
                return elf.Is64 == (Command.Bitness == 64) && Holds(annotated, sites, new Planner(text, scan, annotated, policy.Padding)) ? sites : null;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // the object is not where it was said to be
        }
    }

    private static bool Holds(FreshObject annotated, List<Site> sites, Planner planner)
    {
        var expected = new HashSet<WrittenRecord>();
        foreach (Site site in sites)
        {
            if (site.State != SiteState.Annotated || !site.IsExact || site.Found!.Section.IsInGroup || planner.Judge(site).Refusal != Refusal.None)
                return false;
            SiteInstruction instruction = site.Instruction.Instruction;
            ElfSection section = site.Found!.Section;
            int start = (int)site.Offset, end = start + instruction.Length;
            byte[] padding = Padding.Bytes(Padding.OfMemory(instruction, PaddingStyle.Thunk), annotated.Bitness);
            if (!section.Bytes[end..].StartsWith(padding))
                return false;
            foreach (AnnotatedAccess access in site.Annotation.Accesses)
                expected.Add(new WrittenRecord($"{RecordNames.InObject}.{access.Target}", section.Index, start, section.Index, end + padding.Length));
        }
        List<WrittenRecord> written = RecordTable.Read(annotated.Elf);
        return written.Count == expected.Count && expected.SetEquals(written);
    }
}
