using System.Globalization;
using System.Text;
using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>
/// Writes the body of an annotation list. The format, line by line; words are separated by one space:
/// <code>
/// reheat-annotations 1.0
/// arch x86-64
/// normal 1
/// policy padding=thunk traps=1 wedges=1 observed=1 keep=0 class1=no
/// unit arch/x86/kernel/apic/apic.c
/// function native_apic_mem_write 3f2a91c0aabbccdd
///   sketch 5b1e90aa
///   1 write:4:lapic | movl %esi,sym(%rdi)
/// end 1
/// </code>
/// A site is its ordinal, what it does (<c>operation:size:target</c>, as often as needed) and its instruction. Its line may begin with
/// <c>allow</c> or <c>deny</c>; a denial needs no more than an ordinal or <c>*</c>. <c>by-hand</c> in the header marks a list that people
/// write. <c>end</c> counts the sites, so that a list cut off is noticed. Empty lines and lines that begin with # are skipped.
/// </summary>
public static class AnnotationListWriter
{
    /// <summary>The canonical text, lines ended by <c>\n</c>: equal lists give equal text, whatever order they were made in.</summary>
    /// <exception cref="InvalidOperationException">A site stands twice.</exception>
    public static string Write(AnnotationList list)
    {
        list = list.Sorted();
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"reheat-annotations {AnnotationList.FormatVersion}\n");
        if (list.ByHand)
            text.Append("by-hand\n");
        text.Append(CultureInfo.InvariantCulture, $"arch {ListText.Name(list.Architecture)}\n");
        text.Append(CultureInfo.InvariantCulture, $"normal {list.NormalVersion}\n");
        text.Append(CultureInfo.InvariantCulture, $"policy {list.Policy}\n");
        foreach (UnitAnnotations unit in list.Units)
        {
            text.Append(CultureInfo.InvariantCulture, $"unit {ListText.Name(unit.Name)}\n");
            foreach (FunctionAnnotations function in unit.Functions)
                Write(text, function);
        }
        text.Append(CultureInfo.InvariantCulture, $"end {list.Count}\n");
        return text.ToString();
    }

    private static void Write(StringBuilder text, FunctionAnnotations function)
    {
        string fingerprint = function.Fingerprint.IsNone ? "*" : function.Fingerprint.ToString();
        text.Append(CultureInfo.InvariantCulture, $"function {ListText.Name(function.Name)} {fingerprint}\n");
        if (!function.Sketch.Equals(CodeSketch.Empty))
            text.Append(CultureInfo.InvariantCulture, $"  sketch {function.Sketch}\n");
        foreach (Annotation site in function.Sites)
        {
            text.Append(site.Standing switch
            {
                Standing.Allow => "  allow ",
                Standing.Deny => "  deny ",
                _ => "  ",
            });
            text.Append(site.Ordinal == Annotation.EveryOrdinal ? "*" : site.Ordinal.ToString(CultureInfo.InvariantCulture));
            foreach (AnnotatedAccess access in site.Accesses)
                text.Append(CultureInfo.InvariantCulture, $" {access.Operation.Name()}:{access.Size}:{ListText.Name(access.Target)}");
            if (site.Instruction.Length > 0)
                text.Append(CultureInfo.InvariantCulture, $" | {ListText.Line(site.Instruction)}");
            text.Append('\n');
        }
    }
}
