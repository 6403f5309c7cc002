namespace Reheat.Core.Annotations;

/// <summary>
/// Objects of a Linux tree that must stay as they are: code that runs before the kernel, in user space (vDSO) or on the build machine, and
/// is linked by itself. A build's environment reaches them all the same.
/// </summary>
public static class ProtectedPaths
{
    private static readonly string[] Folders =
    [
        "arch/x86/boot/", "arch/x86/realmode/", "arch/x86/purgatory/", "arch/x86/entry/vdso/", "arch/x86/um/", "arch/x86/tools/",
        "drivers/firmware/efi/libstub/", "scripts/", "tools/", "usr/",
    ];

    // Kernel code that is kept beside what is not.
    private static readonly string[] Ordinary = ["arch/x86/entry/vdso/vma.o", "arch/x86/entry/vdso/extable.o", "arch/x86/realmode/init.o"];

    /// <summary>The folder that protects an object; null if none does.</summary>
    /// <param name="relative">The object's path below the tree's root.</param>
    public static string? FolderOf(string relative) =>
        Ordinary.Contains(relative) ? null : Folders.FirstOrDefault(folder => relative.StartsWith(folder, StringComparison.Ordinal));
}
