using Reheat.Assembler.Checking;
using Reheat.Assembler.Emission;
using Reheat.Assembler.Gas;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler;

internal sealed partial class SecondPass
{
    // Each round loses a function at least; beyond, something else is wrong.
    private const int MostRounds = 24;

    // Assembles until all that is left passes the check. Null: the plain text has to be assembled.
    private int? Assemble(byte[] text, SourceScan scan, FreshObject fresh, List<SitePlan> plans, string prefix)
    {
        List<SitePlan> left = plans;
        for (int round = 0; left.Count > 0 && round < MostRounds; round++)
        {
            ReadOnlySpan<byte> annotated = AnnotatedText.Write(text, scan, left, prefix, Command.Bitness, Command.Input);
            int code = toolchain.AssembleOutput(annotated, out string messages);
            if (code != 0)
            {
                left = WithoutUnassemblable(text, scan, left, prefix);
                continue;
            }
            List<Fault> faults = Check(fresh, left);
            if (faults.Count == 0)
            {
                Native.Write(2, System.Text.Encoding.UTF8.GetBytes(messages));
                return 0;
            }
            left = Without(left, faults);
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

    // A fault costs its function's sites; one that is in no function costs all.
    private static List<SitePlan> Without(List<SitePlan> plans, List<Fault> faults)
    {
        var guilty = new HashSet<SitePlan>();
        foreach (Fault fault in faults)
        {
            SitePlan[] near = [.. plans.Where(p => p.Places.Any(q => q.Section == fault.Section && q.Offset == fault.Offset))];
            if (near.Length == 0)
            {
                string? function = plans.SelectMany(p => p.Places).Where(q => q.Section == fault.Section && q.Offset <= fault.Offset)
                    .OrderByDescending(q => q.Offset).Select(q => q.Function).FirstOrDefault();
                near = [.. plans.Where(p => function is null || p.Places.Any(q => q.Section == fault.Section && q.Function == function))];
            }
            foreach (SitePlan plan in near)
            {
                if (guilty.Add(plan))
                    plan.Refuse(Refusal.CheckFailed, fault.Message);
            }
        }
        return [.. plans.Where(p => !guilty.Contains(p))];
    }

    // Halves until it is known which functions the assembler takes with padding. Most often that is one, and log n assemblies find it.
    private List<SitePlan> WithoutUnassemblable(byte[] text, SourceScan scan, List<SitePlan> plans, string prefix)
    {
        var good = new List<SitePlan>();
        Split([.. plans.GroupBy(p => (p.Places[0].Section, p.Places[0].Function)).Select(g => g.ToList())]);
        return [.. good.OrderBy(p => p.Number)];

        void Split(List<List<SitePlan>> functions)
        {
            if (functions.Count == 0)
                return;
            List<SitePlan> trial = [.. functions.SelectMany(f => f).OrderBy(p => p.Number)];
            ReadOnlySpan<byte> annotated = AnnotatedText.Write(text, scan, trial, prefix, Command.Bitness, Command.Input);
            if (toolchain.AssembleCode(annotated, out string messages) is not null)
                good.AddRange(trial);
            else if (functions.Count == 1)
                trial.ForEach(plan => plan.Refuse(Refusal.FixedLayout, FirstError(messages)));
            else
            {
                Split(functions[..(functions.Count / 2)]);
                Split(functions[(functions.Count / 2)..]);
            }
        }
    }

    private static string FirstError(string messages) =>
        messages.Split('\n').FirstOrDefault(line => line.Contains("Error:", StringComparison.Ordinal))?.Trim() ?? "the assembler fails";
}
