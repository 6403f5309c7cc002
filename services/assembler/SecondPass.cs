using System.Diagnostics;
using System.Text;
using Reheat.Assembler.Emission;
using Reheat.Assembler.Gas;
using Reheat.Assembler.Matching;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler;

/// <summary>One file from the compiler to the object: found in the list, matched, annotated, checked, reported.</summary>
internal sealed partial class SecondPass(Settings settings, Toolchain toolchain, ListFile list)
{
    private readonly long _began = Stopwatch.GetTimestamp();

    private AssemblerCommand Command => toolchain.Command;

    /// <summary>Assembles. The answer is the exit code; null if the real assembler has to do it, with <paramref name="text"/> as its input.</summary>
    public int? Run(byte[] text)
    {
        SourceUnit source = SourceUnit.Of(text, Command.Input);
        IReadOnlyList<string> units = list.UnitsOf(source, Command.Output);
        bool classOne = settings.ClassOne || list.WantsClassOne;
        if (list.IsForeign)
            return Complain(list.Read([]));
        if (units.Count == 0 && !classOne)
            return null;
        AnnotationListResult read = list.Read([.. units]);
        Complain(read);
        // Of all that a build assembles with --class1, what the list does not mean need not be told.
        if (!IsFor(read.List, Command.Bitness, isListed: units.Count > 0 && ProtectedOutput.Reason(Command.Output) is null))
            return null;
        AnnotationPolicy policy = read.List.Policy with
        {
            ClassOne = classOne,
            Padding = settings.Padding ?? read.List.Policy.Padding,
        };
        string unit = units.FirstOrDefault(u => u.Length > 0 && u != "*" && read.List.Units.Any(l => l.Name == u)) ?? source.Name;
        var report = new Report { Output = Command.Output, Unit = unit, Slice = read.List.SliceHash(unit), Policy = policy };
        int? code = Annotate(text, read.List, policy, report, isOwn: units.Contains(source.Name));
        if (report.HasSites)
            Send(report);
        return code;
    }

    private int? Annotate(byte[] text, AnnotationList annotations, AnnotationPolicy policy, Report report, bool isOwn)
    {
        HashSet<string> names = [.. annotations.Units.SelectMany(u => u.Functions).Select(f => ElfFunction.BaseName(f.Name))];
        string prefix = FreePrefix(text);
        SourceScan scan = SourceScan.Of(text, Command.Bitness, policy.ClassOne ? null : label => names.Contains(ElfFunction.BaseName(label)));
        if (scan.Statements.Count == 0 && scan.Obstacle is null && !isOwn)
            return null;
        if (ProtectedOutput.Reason(Command.Output) is { } reason)
            return RefuseAll(annotations, report, Refusal.ProtectedOutput, reason);
        if (scan.Obstacle is { } obstacle)
            return RefuseAll(annotations, report, Refusal.UnsupportedSyntax, obstacle);
        if (scan.Statements.Count == 0)
            return RefuseAll(annotations, report, Refusal.FunctionNotFound, "");
        if (Direct(text, scan, annotations, policy, report, prefix) is { } done)
            return done;
        if (FreshObject.Assemble(toolchain, text, scan, prefix) is not { } fresh)
            return Unread(text, annotations, report);
        report.Sites.AddRange(Match(annotations, fresh));
        if (OtherNames(report.Sites, fresh, names) && !policy.ClassOne)
        {
            scan = SourceScan.Of(text, Command.Bitness, label => names.Contains(ElfFunction.BaseName(label)));
            report.Sites.Clear();
            if (FreshObject.Assemble(toolchain, text, scan, prefix) is not { } again)
                return Unread(text, annotations, report);
            fresh = again;
            report.Sites.AddRange(Match(annotations, fresh));
        }
        var planner = new Planner(text, scan, fresh, policy.Padding);
        if (policy.ClassOne)
            planner.AddClassOne(annotations.Units);
        planner.Add(report.Sites);
        report.RefusedClassOne.AddRange(planner.RefusedClassOne);
        List<SitePlan> plans = planner.Plans;
        int? code = plans.Count == 0 ? null : Assemble(text, scan, fresh, plans, prefix);
        if (code is null)
            plans.ForEach(plan => plan.Refuse(plan.Refusal == Refusal.None ? Refusal.CheckFailed : plan.Refusal, plan.Detail));
        foreach (SitePlan plan in plans.Where(p => p.IsClassOne))
        {
            if (plan.Refusal == Refusal.None)
                report.ClassOne += plan.Places.Count;
            else
                report.RefusedClassOne.AddRange(plan.Places.Select(place => new RefusedClassOne(place.Function, plan.Mnemonic, plan.Refusal, plan.Detail)));
        }
        return code;
    }

    private static IEnumerable<Site> Match(AnnotationList annotations, FreshObject fresh)
    {
        var matcher = new SiteMatcher(fresh.Elf, fresh.Reader);
        // A list that does not know a function's unit says it to every file: where it is not, nothing is lost.
        return annotations.Units.SelectMany(matcher.Match).Where(s => s.Unit is not ("" or "*") || s.Refusal != Refusal.FunctionNotFound);
    }

    // A function has several names, and the text may begin it by another than the list's (.set alias,label). True if there are more.
    private static bool OtherNames(List<Site> sites, FreshObject fresh, HashSet<string> names)
    {
        int known = names.Count;
        foreach (Site site in sites)
        {
            if (site.Found is { } found && !fresh.Map.TryFind(found.Section.Index, site.Offset, out _))
                names.UnionWith(found.Aliases.Select(alias => alias.Name).Append(found.Name).Select(ElfFunction.BaseName));
        }
        return names.Count > known;
    }

    // The text with labels does not assemble, or not as the command line says. If the plain text does not either, as says why.
    private int? Unread(byte[] text, AnnotationList annotations, Report report)
    {
        if (toolchain.AssembleCode(text, out _) is not { } bytes)
            return null;
        string why = ElfImage.TryFromBytes(bytes, "object", out ElfImage? elf, out var diagnostics)
            ? elf.Is64 == (Command.Bitness == 64) ? "the text does not assemble with labels in it" : "32-bit addresses in a 64-bit machine's code (x32)"
            : diagnostics[0].ToString();
        return RefuseAll(annotations, report, Refusal.UnsupportedSyntax, why);
    }

    private static int? RefuseAll(AnnotationList annotations, Report report, Refusal refusal, string detail)
    {
        foreach (UnitAnnotations unit in annotations.Units)
        {
            foreach (FunctionAnnotations function in unit.Functions)
            {
                foreach (Annotation annotation in function.Sites.Where(s => s.Standing != Standing.Deny))
                {
                    var site = new Site(unit.Name, function, annotation);
                    if (refusal == Refusal.FunctionNotFound)
                        site.Lose(refusal, detail);
                    else
                        site.Refuse(refusal, detail);
                    report.Sites.Add(site);
                }
            }
        }
        // What is sensitive by itself was not looked for: one line says so.
        if (report.Policy.ClassOne && refusal != Refusal.FunctionNotFound)
            report.RefusedClassOne.Add(new RefusedClassOne("*", "*", refusal, detail));
        return null;
    }

    private bool IsFor(AnnotationList annotations, int bitness, bool isListed)
    {
        string architecture = bitness == 64 ? "x86-64" : "i386";
        if (annotations.NormalVersion != FunctionCode.NormalVersion)
            return false; // Said by the reader.
        if (annotations.Architecture == architecture)
            return true;
        if (isListed)
            Diagnose.Say($"{list.Path}: a list for {annotations.Architecture}, this file is for {architecture}; nothing is annotated in it");
        return false;
    }

    private static int? Complain(AnnotationListResult read)
    {
        foreach (Diagnostic diagnostic in read.Diagnostics)
            Diagnose.Say(diagnostic.ToString());
        return null;
    }

    private void Send(Report report)
    {
        if (settings.Report.Length == 0)
            return;
        int error = Native.Append(settings.Report, report.ToLine(Stopwatch.GetElapsedTime(_began)));
        if (error != 0)
            Diagnose.Say($"{settings.Report}: the report of {report.Output} cannot be written (error {error})");
    }

    // What the text's own symbols do not begin with.
    private static string FreePrefix(byte[] text)
    {
        string prefix = ".Lrh";
        while (text.AsSpan().IndexOf(Encoding.UTF8.GetBytes(prefix)) >= 0)
            prefix += "h";
        return prefix;
    }
}
