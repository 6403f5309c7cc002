using System.Globalization;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;

namespace Reheat.Loop.Tests.Rounds;

/// <summary>What a second pass made of the kernel's sites.</summary>
internal enum Sites
{
    /// <summary>Nothing: the first build.</summary>
    Plain = 0,

    /// <summary>Padding and records.</summary>
    Padded = 1,

    /// <summary>Jumps to thunks and records.</summary>
    Moved = 2,
}

/// <summary>A build of rounds.S with the addresses of its labels. All builds have the same file name, as those of a kernel have.</summary>
internal sealed class RoundImage
{
    private static readonly Lazy<string> Folder = new(() => Directory.CreateTempSubdirectory("reheat-rounds-").FullName);

    private readonly Dictionary<string, ulong> _labels;

    private RoundImage(string path)
    {
        Path = path;
        using ElfImage elf = ElfImage.Open(path);
        BuildId = elf.BuildId;
        _labels = Tool.Run("nm", path).Split('\n').Select(l => l.Split(' ')).Where(w => w.Length == 3)
            .ToDictionary(w => w[2], w => ulong.Parse(w[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }

    public string Path { get; }

    public BuildId BuildId { get; }

    public ulong this[string label] => _labels[label];

    /// <summary>Builds the kernel; <paramref name="version"/> makes images that differ in their build-id alone.</summary>
    public static RoundImage Build(Sites sites, int version = 0, params string[] defines)
    {
        string directory = System.IO.Path.Combine(Folder.Value, $"{sites}-{version}-{string.Concat(defines)}");
        string path = System.IO.Path.Combine(directory, "kernel");
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(directory);
            string made = $"{path}.{Guid.NewGuid():N}";
            Tool.Run("gcc", ["-g", "-nostdlib", "-no-pie", "-Wl,--build-id=sha1", $"-DVERSION={version}", $"-DSITES={(int)sites}", .. defines,
                "-o", made, System.IO.Path.Combine(AppContext.BaseDirectory, "Fixtures", "rounds.S")]);
            File.Move(made, path, overwrite: true);
        }
        return new RoundImage(path);
    }
}
