using System.Text;
using Reheat.Core.Annotations;

namespace Reheat.Assembler.Ld;

/// <summary>The linker script that gives records their final names.</summary>
internal static class Fragment
{
    /// <summary>The output section that the linker's own ELF scripts have, and Linux's.</summary>
    public const string Anchor = ".comment";

    /// <summary>
    /// The script for the targets of a list. It stands before the build's own script, if any, so that no pattern of that takes the records
    /// first. With <c>INSERT</c> it changes neither a layout nor which default script is used; where the build's script has no section to
    /// insert after, as for kernel modules and most boot code, it is a further part: sections without memory move no others.
    /// </summary>
    /// <returns>Null if no script of ours fits this link.</returns>
    public static string? Write(IEnumerable<string> targets, LinkCommand command)
    {
        if (DoesInsert(command) is not { } inserts)
            return null;
        var text = new StringBuilder("SECTIONS\n{\n");
        Add(text, RecordNames.Linked, RecordNames.InObject);
        Add(text, RecordNames.SelfTestLinked, RecordNames.SelfTestInObject);
        foreach (string target in targets)
            Add(text, $"{RecordNames.Linked}.{target}", $"{RecordNames.InObject}.{target}");
        text.Append("}\n");
        if (inserts)
            text.Append("INSERT AFTER ").Append(Anchor).Append(";\n");
        return text.ToString();
    }

    // Null: a part of ours would take the place of a script that is not known.
    private static bool? DoesInsert(LinkCommand command)
    {
        if (!command.IsElf)
            return null;
        LinkScript?[] scripts = [.. command.Scripts.Select(name => LinkScript.Find(name, command.Directories))];
        if (scripts.Contains(null))
            return null;
        LinkScript[] own = [.. scripts.OfType<LinkScript>().Where(script => !script.IsInsert)];
        if (own.Length > 0)
            return own.Any(script => script.HasAnchor) ? true : own.Any(script => script.HasSections) ? false : null;
        if (command.DefaultScript is not { } named)
            return true;
        return LinkScript.Find(named, command.Directories) is { HasAnchor: true } ? true : null;
    }

    private static void Add(StringBuilder text, string output, string input) =>
        text.Append("  ").Append(output).Append(" 0 : { *(").Append(input).Append(") }\n");
}
