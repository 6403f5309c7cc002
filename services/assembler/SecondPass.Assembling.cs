using System.Text;
using Reheat.Assembler.Checking;
using Reheat.Assembler.Emission;
using Reheat.Assembler.Gas;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler;

internal sealed partial class SecondPass
{
    // Of trials that look for what fails; beyond, a compiler would wait too long for it.
    private const int MostTrials = 200;

    // Assembles what passes the check. Null: the plain text has to be assembled.
    private int? Assemble(byte[] text, SourceScan scan, FreshObject fresh, List<SitePlan> plans, string prefix)
    {
        // A listing goes where the build reads it: it must not be written for a trial.
        List<SitePlan> left = Command.ListsToOutput ? Passing(text, scan, fresh, plans, prefix) : plans;
        for (int round = 0; left.Count > 0 && round < 2; round++)
        {
            ReadOnlySpan<byte> annotated = AnnotatedText.Write(text, scan, left, prefix, Command.Bitness, Command.Input);
            int code = toolchain.AssembleOutput(annotated, out string messages);
            if (code == 0 && Check(fresh, left).Count == 0)
            {
                Native.Write(2, Encoding.UTF8.GetBytes(messages));
                return 0;
            }
            List<SitePlan> passing = Passing(text, scan, fresh, left, prefix);
            if (passing.Count == left.Count)
            {
                // Not the annotations are at fault: the disk is full, or a warning is taken for an error.
                left.ForEach(plan => plan.Refuse(Refusal.CheckFailed, FirstError(messages)));
                return null;
            }
            left = passing;
        }
        return null;
    }

    private List<Fault> Check(FreshObject fresh, List<SitePlan> plans)
    {
        try
        {
            if (!ElfImage.TryOpen(Command.Output, out ElfImage? annotated, out var diagnostics))
                return [new Fault(0, 0, diagnostics[0].ToString())];
            using (annotated)
                return ObjectCheck.Run(fresh.Elf, annotated, plans);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [new Fault(0, 0, error.Message)];
        }
    }

    // The annotations that the assembler takes and the check accepts, all together: halves of those that it does not, function by function, then site
    // by site. What is at fault is refused with the reason; the neighbours stay.
    private List<SitePlan> Passing(byte[] text, SourceScan scan, FreshObject fresh, List<SitePlan> plans, string prefix)
    {
        var accepted = new List<SitePlan>();
        int trials = 0;
        Add([.. plans.GroupBy(p => (p.Places[0].Section, p.Places[0].Function)).Select(g => g.ToList())]);
        return [.. accepted.OrderBy(p => p.Number)];

        void Add(List<List<SitePlan>> groups)
        {
            (Refusal refusal, string detail) = Try([.. accepted.Concat(groups.SelectMany(g => g)).OrderBy(p => p.Number)]);
            if (refusal == Refusal.None)
                accepted.AddRange(groups.SelectMany(g => g));
            else if (groups is [[SitePlan plan]])
                plan.Refuse(refusal, detail);
            else
            {
                List<List<SitePlan>> parts = groups is [var one] ? [.. one.Select(p => new List<SitePlan> { p })] : groups;
                Add(parts[..(parts.Count / 2)]);
                Add(parts[(parts.Count / 2)..]);
            }
        }

        (Refusal, string) Try(List<SitePlan> trial)
        {
            if (trials++ >= MostTrials)
                return (Refusal.CheckFailed, $"not found out in {MostTrials} trials");
            ReadOnlySpan<byte> annotated = AnnotatedText.Write(text, scan, trial, prefix, Command.Bitness, Command.Input);
            if (toolchain.AssembleCode(annotated, out string messages) is not { } bytes)
                return (Refusal.FixedLayout, FirstError(messages));
            if (!ElfImage.TryFromBytes(bytes, "annotated object", out ElfImage? elf, out var diagnostics))
                return (Refusal.CheckFailed, diagnostics[0].ToString());
            return ObjectCheck.Run(fresh.Elf, elf, trial) is [var fault, ..] ? (Refusal.CheckFailed, fault.Message) : default;
        }
    }

    private static string FirstError(string messages) =>
        messages.Split('\n').FirstOrDefault(line => line.Contains("Error:", StringComparison.Ordinal))?.Trim() ?? "the assembler fails";
}
