using System.Collections.Concurrent;
using System.Globalization;
using Reheat.Agent;
using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>One line of <c>objdump -d</c>.</summary>
internal sealed record Disassembled(ulong Address, string Function, int Length, string Mnemonic, string Operands);

/// <summary>A real ELF image, compiled from device.c; a salt makes another one.</summary>
internal sealed class TestImage
{
    private static readonly Lazy<string> Folder = new(() => Directory.CreateDirectory(System.IO.Path.Combine(AppContext.BaseDirectory, "Fixtures", "images")).FullName);
    private static readonly ConcurrentDictionary<int, Lazy<TestImage>> Made = new();

    private TestImage(string path)
    {
        Path = path;
        using ElfImage elf = ElfImage.Open(path);
        BuildId = elf.BuildId;
        Code = [.. elf.ExecutableRanges.Select(r => (r.Start, r.End))];
        Instructions = Disassemble(path);
    }

    public string Path { get; }

    public string Name => System.IO.Path.GetFileName(Path);

    public BuildId BuildId { get; }

    public IReadOnlyList<(ImageAddress Start, ImageAddress End)> Code { get; }

    /// <summary>What objdump says of it.</summary>
    public IReadOnlyList<Disassembled> Instructions { get; }

    public static TestImage Get(int salt = 0) => Made.GetOrAdd(salt, s => new Lazy<TestImage>(() => new TestImage(Compile(s)))).Value;

    /// <summary>The instruction of a function that has this mnemonic and these letters in its operands.</summary>
    public Disassembled Find(string function, string mnemonic) => Instructions.First(i => i.Function == function && i.Mnemonic == mnemonic && i.Operands.Contains('('));

    public GuestImage Loaded(long bias = 0) => new(BuildId, Name, new LoadBias(bias), Code);

    /// <summary>A copy without symbols and debug information.</summary>
    public string Stripped(Scratch scratch)
    {
        string path = scratch.File(Name);
        Tool.Run("strip", "-o", path, Path);
        return path;
    }

    private static string Compile(int salt)
    {
        string path = System.IO.Path.Combine(Folder.Value, $"device{salt}.elf");
        Tool.Run("gcc", "-O2", "-g", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fcf-protection=none", "-fno-stack-protector",
            "-Wl,--build-id=sha1", "-Wl,-e,entry", $"-DSALT={salt}", "-o", $"{path}.{Environment.ProcessId}", System.IO.Path.Combine(AppContext.BaseDirectory, "Fixtures", "device.c"));
        File.Move($"{path}.{Environment.ProcessId}", path, overwrite: true); // another run may be reading the old one
        return path;
    }

    private static List<Disassembled> Disassemble(string path)
    {
        var instructions = new List<Disassembled>();
        string function = "";
        foreach (string line in Tool.Run("objdump", "-d", "-w", path).Split('\n'))
        {
            if (line.EndsWith(">:", StringComparison.Ordinal))
                function = line[(line.IndexOf('<', StringComparison.Ordinal) + 1)..^2];
            string[] columns = line.Split('\t');
            if (columns.Length < 3 || !ulong.TryParse(columns[0].Trim().TrimEnd(':'), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong address))
                continue;
            string[] words = columns[2].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int prefixes = words.TakeWhile(w => w is "lock" or "rep" or "data16" or "cs").Count();
            instructions.Add(new Disassembled(
                address, function, columns[1].Trim().Split(' ').Length, words.ElementAtOrDefault(prefixes) ?? "", string.Join(' ', words.Skip(prefixes + 1))));
        }
        return instructions;
    }
}
