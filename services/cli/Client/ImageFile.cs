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
            if (!ElfImage.TryOpen(path, out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics))
                throw new CommandException(ExitCode.BadInput, string.Join(Environment.NewLine, diagnostics.DefaultIfEmpty(new Diagnostic(DiagnosticId.ElfNotElf, path, "not readable as ELF"))));
            if (!image.BuildId.IsNone)
                return image;
            image.Dispose();
            throw new CommandException(ExitCode.BadInput, $"{DiagnosticId.ElfNoBuildId} {path}: no GNU build-id — link it with --build-id (Linux does by default)");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read {path}: {e.Message}");
        }
    }
}
