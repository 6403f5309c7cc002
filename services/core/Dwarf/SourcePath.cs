namespace Reheat.Core.Dwarf;

/// <summary>Names of source files as they stay the same wherever a tree is built.</summary>
public static class SourcePath
{
    /// <summary>
    /// A file's name relative to the deepest directory that it shares with the compilation directory:
    /// <c>/b/linux/arch/x86/kernel/apic/apic.c</c> compiled in <c>/b/linux</c> or, out of tree, in <c>/b/linux/debian/build</c>
    /// gives <c>arch/x86/kernel/apic/apic.c</c>. Absolute if nothing but the root is shared (<c>/usr/include/stdio.h</c>). A
    /// relative name without an absolute directory to resolve it in is only cleaned of <c>.</c> and <c>..</c>.
    /// </summary>
    /// <param name="name">As DWARF has it, absolute or relative to the directory.</param>
    /// <param name="directory"><c>DW_AT_comp_dir</c>; may be empty.</param>
    public static string Normalise(string name, string directory)
    {
        if (name.Length == 0)
            return "";
        if (!directory.StartsWith('/'))
            return Clean(name, []);
        string[] root = Segments(directory, []);
        string[] full = Segments(name, name.StartsWith('/') ? [] : root);
        int shared = 0;
        while (shared < root.Length && shared < full.Length - 1 && root[shared] == full[shared])
            shared++;
        return shared == 0 ? "/" + string.Join('/', full) : string.Join('/', full[shared..]);
    }

    private static string Clean(string name, string[] root) =>
        (name.StartsWith('/') ? "/" : "") + string.Join('/', Segments(name, root));

    // Resolves . and .. without looking at the file system; .. beyond the start stays in a relative path.
    private static string[] Segments(string path, string[] root)
    {
        var segments = new List<string>(root);
        foreach (string segment in path.Split('/'))
        {
            if (segment is "" or ".")
                continue;
            if (segment != "..")
                segments.Add(segment);
            else if (segments.Count > 0 && segments[^1] != "..")
                segments.RemoveAt(segments.Count - 1);
            else if (root.Length == 0 && !path.StartsWith('/'))
                segments.Add(segment);
        }
        return [.. segments];
    }
}
