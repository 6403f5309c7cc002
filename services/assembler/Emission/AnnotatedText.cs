using System.Globalization;
using Reheat.Assembler.Gas;
using Reheat.Core.Annotations;
using TextWriter = Reheat.Assembler.Gas.TextWriter;

namespace Reheat.Assembler.Emission;

/// <summary>
/// Writes the text that is assembled in place of the source. All additions stand on lines of the source, so that line numbers in messages and
/// debug information hold; records follow the last line, except those of macros, which only their body can write.
/// </summary>
internal static class AnnotatedText
{
    /// <summary>The whole text.</summary>
    /// <param name="text">The source.</param>
    /// <param name="scan">Its functions' ends and frame directives.</param>
    /// <param name="plans">What to annotate, in order of statements.</param>
    /// <param name="prefix">Of our labels.</param>
    /// <param name="bitness">32 or 64.</param>
    /// <param name="input">Name of the input file; null for standard input.</param>
    public static ReadOnlySpan<byte> Write(byte[] text, SourceScan scan, IReadOnlyList<SitePlan> plans, string prefix, int bitness, string? input)
    {
        var output = new TextWriter(text.Length + plans.Count * 160);
        // Read from standard input, errors and debug information still name the file.
        if (input is not null)
            output.Append($"# 1 \"{input.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"\n");
        var thunks = plans.Where(p => p.IsSelftest).GroupBy(p => p.End.Position).OrderBy(g => g.Key).ToArray();
        int at = 0, nextThunk = 0;
        void Copy(int to)
        {
            output.Append(text.AsSpan(at, to - at));
            at = to;
        }
        void Thunks(int before)
        {
            for (; nextThunk < thunks.Length && thunks[nextThunk].Key <= before; nextThunk++)
            {
                Copy(thunks[nextThunk].Key);
                SelftestThunk.Write(output, text, scan, [.. thunks[nextThunk]], prefix, bitness);
            }
        }
        foreach (SitePlan plan in plans)
        {
            Thunks(plan.Statement.Start);
            Copy(plan.Statement.Start);
            string label = Label(plan, prefix);
            output.Append($"{label}: ");
            if (plan.IsSelftest)
            {
                output.Append($"{{disp32}} jmp {label}t; {label}e: ");
                at = plan.Statement.PrefixEnd;
                Copy(plan.Statement.Instruction);
                at = plan.Statement.End;
                continue;
            }
            Copy(plan.Statement.End);
            if (plan.Padding != 0)
                output.Append($"; {(plan.Padding == Padding.Measured ? Padding.Statements(label, bitness) : Padding.Statement(plan.Padding, bitness))}");
            output.Append($"; {label}e:");
            if (plan.Statement.IsInMacro)
            {
                foreach (string section in plan.Sections)
                    output.Append($" .pushsection {section},\"\",@progbits; {Align(bitness)}; {Words(bitness)} {label},{label}e; .popsection;");
            }
        }
        Thunks(text.Length);
        Copy(text.Length);
        Records(output, scan, plans, prefix, bitness);
        return output.Written;
    }

    /// <summary>The start label; the end label, the thunk's and the counter's have one letter more.</summary>
    public static string Label(SitePlan plan, string prefix) =>
        plan.Statement.IsInMacro ? $"{prefix}{plan.Number}_\\@" : string.Create(CultureInfo.InvariantCulture, $"{prefix}{plan.Number}");

    private static void Records(TextWriter output, SourceScan scan, IReadOnlyList<SitePlan> plans, string prefix, int bitness)
    {
        // Records of a group's code are part of the group: where the linker throws that away, they go with it.
        var sections = new SortedDictionary<string, List<SitePlan>>(StringComparer.Ordinal);
        foreach (SitePlan plan in plans)
        {
            if (plan.Statement.IsInMacro)
                continue;
            foreach (string section in plan.Sections.Select(name => Section(name, scan, plan)))
            {
                if (!sections.TryGetValue(section, out List<SitePlan>? list))
                    sections.Add(section, list = []);
                list.Add(plan);
            }
        }
        output.Append("\n");
        foreach ((string section, List<SitePlan> list) in sections)
        {
            output.Append($".section {section}\n{Align(bitness)}\n");
            foreach (SitePlan plan in list)
                output.Append($"{Words(bitness)} {Label(plan, prefix)},{Label(plan, prefix)}e\n");
        }
        SitePlan[] counted = [.. plans.Where(p => p.IsSelftest)];
        if (counted.Length == 0)
            return;
        output.Append(".data\n.balign 8\n");
        foreach (SitePlan plan in counted)
            output.Append($"{Label(plan, prefix)}c: .quad 0\n");
        foreach (IGrouping<string, SitePlan> group in counted.GroupBy(plan => Section(RecordNames.SelfTestInObject, scan, plan)))
        {
            output.Append($".section {group.Key}\n{Align(bitness)}\n");
            foreach (SitePlan plan in group)
                output.Append($"{Words(bitness)} {Label(plan, prefix)},{Label(plan, prefix)}c\n");
        }
    }

    private static string Section(string name, SourceScan scan, SitePlan plan) =>
        scan.Sections[plan.Statement.Section].Group is { Length: > 0 } signature ? $"{name},\"G\",@progbits,\"{signature}\",comdat" : $"{name},\"\",@progbits";

    private static string Align(int bitness) => bitness == 64 ? ".balign 8" : ".balign 4";

    private static string Words(int bitness) => bitness == 64 ? ".quad" : ".long";
}
