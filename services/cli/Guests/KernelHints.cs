using System.Globalization;
using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Cli.Guests;

/// <summary>What a running kernel says of its own place: its <c>/proc/kallsyms</c>, or the text of its vmcoreinfo (<c>KERNELOFFSET=…</c>).</summary>
internal sealed class KernelHints
{
    private readonly string _path;
    private readonly Dictionary<string, ulong> _kernel = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, ulong>> _modules = new(StringComparer.Ordinal);
    private long? _offset;
    private string _buildId = "";

    private KernelHints(string path) => _path = path;

    /// <summary>Reads the guest's <c>/proc/kallsyms</c>.</summary>
    public static KernelHints OfKallsyms(string path)
    {
        var hints = new KernelHints(path);
        long symbols = 0, zeros = 0;
        foreach (string line in Lines(path))
        {
            // ffffffff81000000 T _text        ffffffffc0123000 t e1000_probe	[e1000]
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 3 || !ulong.TryParse(words[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address))
                continue;
            symbols++;
            zeros += address == 0 ? 1 : 0;
            if (words.Length == 3 && words[2] is "_text" or "_stext" or "_etext")
                hints._kernel.TryAdd(words[2], address);
            if (words.Length < 4 || !words[3].StartsWith('['))
                continue;
            string module = words[3].Trim('[', ']');
            if (!hints._modules.TryGetValue(module, out Dictionary<string, ulong>? names))
                hints._modules.Add(module, names = new Dictionary<string, ulong>(StringComparer.Ordinal));
            // One name twice says nothing.
            if (!names.TryAdd(words[2], address))
                names[words[2]] = 0;
        }
        if (symbols == 0)
            throw Bad(path, "holds no symbols — expected the guest's /proc/kallsyms");
        if (zeros == symbols)
            throw Bad(path, "has address 0 for every symbol — read the guest's /proc/kallsyms as root, or set kernel.kptr_restrict to 0 or 1 there");
        return hints;
    }

    /// <summary>Reads the text of the guest's vmcoreinfo, as a note in <c>/proc/kcore</c> and in dumps has it.</summary>
    public static KernelHints OfVmcoreinfo(string path)
    {
        var hints = new KernelHints(path);
        foreach (string line in Lines(path))
        {
            if (line.StartsWith("KERNELOFFSET=", StringComparison.Ordinal))
            {
                string number = line["KERNELOFFSET=".Length..].Trim();
                bool negative = number.StartsWith('-');
                if (!long.TryParse(number.AsSpan(negative ? 1 : 0), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long offset))
                    throw Bad(path, $"says \"{line.Trim()}\": expected a hexadecimal number");
                hints._offset = negative ? -offset : offset;
            }
            else if (line.StartsWith("BUILD-ID=", StringComparison.Ordinal))
                hints._buildId = line["BUILD-ID=".Length..].Trim();
        }
        return hints._offset is null ? throw Bad(path, "holds no line KERNELOFFSET=… — expected the text of the guest's vmcoreinfo") : hints;
    }

    /// <summary>Where the guest has an image: its parts, each with a bias of its own (a module's sections are loaded apart); null if this says nothing of it.</summary>
    /// <exception cref="CommandException">It contradicts the image.</exception>
    public IReadOnlyList<(LoadBias Bias, IReadOnlyList<(ImageAddress Start, ImageAddress End)> Code)>? PlacesOf(ElfImage image, string path)
    {
        if (image.IsRelocatable)
            return _offset is null ? PlacesOfModule(image, path) : null;
        long bias = _offset ?? BiasOfKernel(image, path);
        if (_buildId.Length > 0 && !string.Equals(_buildId, image.BuildId.ToString(), StringComparison.OrdinalIgnoreCase))
            throw Bad(_path, $"is of the kernel with build-id {_buildId}, but {path} has {image.BuildId} — give the image that the guest runs");
        return [(new LoadBias(bias), [.. image.ExecutableRanges.Select(r => (r.Start, r.End))])];
    }

    private long BiasOfKernel(ElfImage image, string path)
    {
        (string Name, long Bias)[] biases = [.. _kernel.Where(s => image.Symbols.TryFind(s.Key, out _)).Select(s => (s.Key, Bias(image, s.Key, s.Value)))];
        if (biases.Length == 0)
            throw Bad(_path, $"and {path} have none of _text, _stext and _etext in common — give {path} with its symbols, or its place: --image {path}@BIAS");
        if (biases.Any(b => b.Bias != biases[0].Bias))
        {
            throw Bad(_path, $"is of another kernel than {path}: {string.Join(", ", biases.Select(b => $"{b.Name} is moved by 0x{b.Bias:x}"))} — give the image that the guest runs");
        }
        return biases[0].Bias;
    }

    private static long Bias(ElfImage image, string name, ulong address)
    {
        image.Symbols.TryFind(name, out ElfSymbol symbol);
        return unchecked((long)(address - symbol.Value));
    }

    private List<(LoadBias, IReadOnlyList<(ImageAddress, ImageAddress)>)> PlacesOfModule(ElfImage image, string path)
    {
        string module = Path.GetFileNameWithoutExtension(path).Replace('-', '_');
        if (!_modules.TryGetValue(module, out Dictionary<string, ulong>? names))
            throw Bad(_path, $"has no symbol of module {module}, which {path} is — was it loaded when the symbols were read?");
        var places = new List<(LoadBias, IReadOnlyList<(ImageAddress, ImageAddress)>)>();
        foreach (ElfSection section in image.Sections.Where(s => s.IsExecutable && s.Size > 0))
        {
            long? bias = image.Symbols
                .Where(s => s.SectionIndex == section.Index && s.Address is not null && names.GetValueOrDefault(s.Name) != 0)
                .GroupBy(s => unchecked((long)(names[s.Name] - s.Address!.Value.Value)))
                .OrderByDescending(g => g.Count()).FirstOrDefault()?.Key;
            if (bias is { } known)
                places.Add((new LoadBias(known), [(section.Start, section.Start + section.Size)]));
        }
        return places.Count > 0 ? places : throw Bad(_path, $"has none of the functions of {path} among the symbols of module {module} — is it the module that the guest runs?");
    }

    private static IEnumerable<string> Lines(string path)
    {
        try
        {
            return File.ReadLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read {path}: {FileFault.Of(e)}");
        }
    }

    private static CommandException Bad(string path, string what) => new(ExitCode.BadInput, $"{path} {what}");
}
