namespace Reheat.Assembler;

/// <summary>
/// Objects that must stay as they are. <c>COMPILER_PATH</c> reaches all that a kernel build compiles: code that runs before the
/// kernel, in user space, and on the build machine.
/// </summary>
internal static class ProtectedOutput
{
    // In the tree of a Linux build.
    private static readonly string[] Folders =
    [
        "arch/x86/boot/", "arch/x86/realmode/rm/", "arch/x86/purgatory/", "arch/x86/entry/vdso/", "arch/x86/um/", "arch/x86/tools/",
        "scripts/", "tools/", "usr/",
    ];

    // Kernel code that is kept beside the vDSO's.
    private static readonly string[] Ordinary = ["arch/x86/entry/vdso/vma.o", "arch/x86/entry/vdso/extable.o"];

    /// <summary>Why an object is protected; null if it is not.</summary>
    public static string? Reason(string output)
    {
        string path = Path.GetFullPath(output);
        if (!File.Exists(path) && Directory.Exists(path))
            return "a directory";
        if (path.StartsWith("/dev/", StringComparison.Ordinal) || path.StartsWith("/proc/", StringComparison.Ordinal))
            return "no file that is kept";
        for (string? root = Path.GetDirectoryName(path); root is not null && root != "/"; root = Path.GetDirectoryName(root))
        {
            if (!IsKernelTree(root))
                continue;
            string name = path[(root.Length + 1)..];
            if (Ordinary.Contains(name))
                return null;
            return Folders.FirstOrDefault(folder => name.StartsWith(folder, StringComparison.Ordinal));
        }
        return null;
    }

    // What kbuild makes before it compiles anything: in the source tree, or where O= points.
    private static bool IsKernelTree(string folder) =>
        File.Exists(Path.Combine(folder, "include/generated/autoconf.h")) && Directory.Exists(Path.Combine(folder, "scripts"));
}
