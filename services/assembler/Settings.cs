using Reheat.Core.Annotations;

namespace Reheat.Assembler;

/// <summary>What the environment asks for; no option of a command line, because compilers write that.</summary>
/// <param name="List">REHEAT_ANNOTATIONS: the list's body; empty for none.</param>
/// <param name="Report">REHEAT_REPORT: where a line about each file with sites goes; empty for nowhere.</param>
/// <param name="ClassOne">REHEAT_CLASS1: as if the list's policy said class1=yes.</param>
/// <param name="Padding">REHEAT_POLICY: instead of the list's.</param>
/// <param name="Twice">REHEAT_TWICE: assemble each file twice, also where once would do. For tests: the object is the same.</param>
internal sealed record Settings(string List, string Report, bool ClassOne, PaddingStyle? Padding, bool Twice)
{
    /// <summary>Reads the environment. What cannot be read goes to <paramref name="complain"/> and counts as not set.</summary>
    public static Settings Read(Action<string> complain)
    {
        PaddingStyle? padding = null;
        string policy = Variable("REHEAT_POLICY");
        if (AnnotationPolicy.TryParse(policy, out PaddingStyle style))
            padding = style;
        else if (policy.Length > 0)
            complain($"REHEAT_POLICY={policy}: expected thunk, inline or selftest; the list's policy holds");
        return new Settings(
            Variable("REHEAT_ANNOTATIONS"), Variable("REHEAT_REPORT"), IsOn("REHEAT_CLASS1"), padding, IsOn("REHEAT_TWICE"));
    }

    private static bool IsOn(string name) => Variable(name) is not ("" or "0" or "no");

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";
}
