using Reheat.Core.Elf;
using Xunit;

[assembly: AssemblyFixture(typeof(Reheat.Core.Tests.Elf.ElfObjects))]

namespace Reheat.Core.Tests.Elf;

/// <summary>The objects that most tests look at, compiled once for all of them.</summary>
public sealed class ElfObjects : IDisposable
{
    private static readonly string[] AllSources = ["src/main.c", "src/other.c", "src/entry.S"];

    public ElfObjects()
    {
        Sources.WriteAll(Tools);
        Add("object64.o", "-m64", "-O2", "-c", "-g", "src/main.c");
        Add("object32.o", "-m32", "-O2", "-c", "-g", "-fno-pic", "src/main.c");
        Add("objectx32.o", "-mx32", "-O2", "-c", "src/main.c");
        Add("sections64.o", "-m64", "-O2", "-c", "-g", "-gdwarf-4", "-ffunction-sections", "src/main.c");
        Add("zlib64.o", "-m64", "-O2", "-c", "-g", "-gz=zlib", "src/main.c");
        Add("other64.o", "-m64", "-O2", "-c", "-g", "-fno-pic", "src/other.c");
        Add("asm64.o", "-c", "-g", "src/entry.S");
        Add("program64", ["-m64", "-O2", "-g", "-gdwarf-5", "-no-pie", "-static-pie", "-nostdlib", "-Wl,-e,main", .. Linked]);
        Add("fixed64", ["-m64", "-O2", "-g", "-gdwarf-4", "-no-pie", "-nostdlib", "-Wl,-e,main", "-Wl,--emit-relocs", .. Linked]);
        Add("dwarf64", ["-m64", "-O2", "-g", "-gdwarf64", "-no-pie", "-nostdlib", "-Wl,-e,main", .. Linked]);
        Add("fixed32", ["-m32", "-O2", "-g", "-no-pie", "-fno-pic", "-nostdlib", "-Wl,-e,main", .. Linked]);
        Add("shared64.so", ["-m64", "-O2", "-g", "-shared", "-fPIC", "-nostdlib", "-gz=zlib", .. Linked]);
        Tools.Run("ld", "-r", "-o", "module.o", "--build-id=sha1", "sections64.o", "other64.o", "asm64.o");
    }

    public static IEnumerable<string> Names =>
    [
        "object64.o", "object32.o", "objectx32.o", "sections64.o", "zlib64.o", "asm64.o", "program64", "fixed64", "dwarf64", "fixed32",
        "shared64.so", "module.o",
    ];

    public Toolchain Tools { get; } = new();

    private static string[] Linked => [.. AllSources, "-fno-stack-protector", "-Wl,--build-id=sha1"];

    public string PathOf(string name) => Tools.PathOf(name);

    public ElfImage Open(string name)
    {
        Assert.True(ElfImage.TryOpen(PathOf(name), out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics), name);
        Assert.Empty(diagnostics);
        return image;
    }

    public void Dispose() => Tools.Dispose();

    private void Add(string output, params string[] arguments) => Tools.Gcc(output, arguments);
}
