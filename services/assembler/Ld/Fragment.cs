using System.Text;
using Reheat.Core.Annotations;

namespace Reheat.Assembler.Ld;

/// <summary>The linker script that gives records their final names.</summary>
internal static class Fragment
{
    private const string Anchor = ".comment";

    /// <summary>
    /// The script for the targets of a list. It stands before the build's own script, if any, so that no pattern of that takes the records
    /// first. With <c>INSERT</c> it changes neither a layout nor which default script is used; a script without the section to insert
    /// after, as for kernel modules, gets it as a further part.
    /// </summary>
    public static string Write(IEnumerable<string> targets, string? script)
    {
        var text = new StringBuilder("SECTIONS\n{\n");
        Add(text, RecordNames.Linked, RecordNames.InObject);
        Add(text, RecordNames.SelfTestLinked, RecordNames.SelfTestInObject);
        foreach (string target in targets)
            Add(text, $"{RecordNames.Linked}.{target}", $"{RecordNames.InObject}.{target}");
        text.Append("}\n");
        if (script is null || HasAnchor(script))
            text.Append("INSERT AFTER ").Append(Anchor).Append(";\n");
        return text.ToString();
    }

    private static void Add(StringBuilder text, string output, string input) =>
        text.Append("  ").Append(output).Append(" 0 : { *(").Append(input).Append(") }\n");

    private static bool HasAnchor(string script)
    {
        // The linker looks for a script in its library path too: such a one is taken for complete, as its own are.
        return !File.Exists(script) || File.ReadAllText(script).Contains(Anchor, StringComparison.Ordinal);
    }
}
