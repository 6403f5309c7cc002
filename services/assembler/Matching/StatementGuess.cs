using Reheat.Assembler.Emission;
using Reheat.Assembler.Gas;
using Reheat.Core;
using Reheat.Core.Annotations;

namespace Reheat.Assembler.Matching;

/// <summary>
/// Which statements a list's sites are, by the look of the text: functions that did not change have the statements that the ordinals count. Right for
/// nearly all that compilers write; whether it is, only the object can tell.
/// </summary>
internal static class StatementGuess
{
    /// <summary>A plan for each site, in order of statements; null where one cannot be told, or asks for more than padding.</summary>
    public static List<SitePlan>? Plans(byte[] text, SourceScan scan, AnnotationList annotations)
    {
        var plans = new SortedDictionary<int, SitePlan>();
        var named = new HashSet<string>();
        foreach (FunctionAnnotations function in annotations.Units.SelectMany(unit => unit.Functions))
        {
            if (!named.Add(function.Name) || Only(scan.Functions, function.Name) is not { } found)
                return null;
            foreach (Annotation site in function.Sites)
            {
                if (Statement(text, scan, found, site) is not { } number || !plans.TryAdd(number, Plan(number, scan, site)))
                    return null;
            }
        }
        return [.. plans.Values];
    }

    private static FunctionText? Only(IReadOnlyList<FunctionText> functions, string name)
    {
        FunctionText? only = null;
        foreach (FunctionText function in functions)
        {
            if (function.Name != name)
                continue;
            if (only is not null)
                return null;
            only = function;
        }
        return only;
    }

    private static int? Statement(byte[] text, SourceScan scan, FunctionText function, Annotation site)
    {
        if (site.Standing == Standing.Deny || site.Accesses.Any(access => access.Operation == Operation.SensitiveInstruction) ||
            (uint)site.Ordinal >= (uint)function.Ordinals.Count || function.Ordinals[site.Ordinal] is not (>= 0 and int number))
            return null;
        Statement statement = scan.Statements[number];
        return statement.Traits == StatementTraits.None && IsLike(text.AsSpan(statement.Instruction, statement.End - statement.Instruction), site.Instruction) ? number : null;
    }

    private static SitePlan Plan(int number, SourceScan scan, Annotation site)
    {
        var plan = new SitePlan { Number = number, Statement = scan.Statements[number], Length = 0, Padding = Padding.Measured, Mnemonic = "" };
        foreach (AnnotatedAccess access in site.Accesses)
            plan.Targets.Add(access.Target);
        return plan;
    }

    // movl 16(%rax), %edx and movl 0x10(%rax),%edx: one mnemonic and the same registers in their order. String instructions may leave theirs out.
    private static bool IsLike(ReadOnlySpan<byte> statement, string instruction)
    {
        if (instruction.Length == 0)
            return true; // by hand
        int at = 0, name = Mnemonic(instruction);
        ReadOnlySpan<char> mnemonic = instruction.AsSpan(name);
        while (at < statement.Length && at < mnemonic.Length && statement[at] == mnemonic[at] && char.IsAsciiLetterOrDigit(mnemonic[at]))
            at++;
        if (at < 2)
            return false;
        ReadOnlySpan<byte> registers = statement;
        int own = registers.IndexOf((byte)'%');
        if (own < 0)
            return true;
        registers = registers[own..];
        for (int i = instruction.IndexOf('%', name); i >= 0; i = instruction.IndexOf('%', i + 1))
        {
            for (int k = 0; i + k < instruction.Length && (k == 0 || char.IsAsciiLetterOrDigit(instruction[i + k])); k++)
            {
                if (k >= registers.Length || registers[k] != instruction[i + k])
                    return false;
            }
            int next = registers[1..].IndexOf((byte)'%');
            registers = next < 0 ? [] : registers[(next + 1)..];
        }
        return registers.IsEmpty;
    }

    // Behind lock and rep, which may stand apart in the text.
    private static int Mnemonic(string instruction)
    {
        int start = 0;
        while (instruction.AsSpan(start) is var rest && (rest.StartsWith("lock ") || rest.StartsWith("rep")) && rest.IndexOf(' ') is > 0 and int blank)
            start += blank + 1;
        return start;
    }
}
