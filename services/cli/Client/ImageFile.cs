using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Cli.Client;

/// <summary>Opens the images that a command line names.</summary>
internal static class ImageFile
{
    /// <summary>An image that can be registered: readable, of a known machine, with a build-id.</summary>
    /// <exception cref="CommandException">It is not; the message says what is wrong with the file.</exception>
    public static ElfImage Open(string path)
    {
        try
        {
            if (Directory.Exists(path))
                throw new CommandException(ExitCode.BadInput, $"{path} is a directory: expected an ELF file, vmlinux or a module");
            if (!ElfImage.TryOpen(path, out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics))
            {
                throw new CommandException(ExitCode.BadInput, IsCompressedKernel(path)
                    ? $"{path} is a compressed kernel (bzImage): give the vmlinux that it was made from"
                    : string.Join(Environment.NewLine, diagnostics.Select(d => $"{d.Place}: {d.Message}").DefaultIfEmpty($"{path}: not readable as ELF")));
            }
            if (!image.BuildId.IsNone)
                return image;
            image.Dispose();
            throw new CommandException(ExitCode.BadInput, $"{path}: no GNU build-id — link it with --build-id (Linux does by default)");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read {path}: {FileFault.Of(e)}");
        }
    }

    // The boot protocol's magic (Documentation/arch/x86/boot.rst).
    private static bool IsCompressedKernel(string path)
    {
        Span<byte> magic = stackalloc byte[4];
        using FileStream file = File.OpenRead(path);
        file.Position = 0x202;
        return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("HdrS"u8);
    }
}
