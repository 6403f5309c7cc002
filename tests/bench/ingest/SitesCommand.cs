using System.CommandLine;
using System.Globalization;
using Iced.Intel;
using Reheat.Core.Elf;
using Decoder = Iced.Intel.Decoder;

namespace Reheat.IngestBench;

/// <summary>Sites of a real image: instructions that access memory, spread over its code.</summary>
internal static class SitesCommand
{
    public static Command Create()
    {
        var image = new Argument<string>("image");
        var count = new Option<int>("--count") { DefaultValueFactory = _ => 2000 };
        var output = new Option<string>("--output") { Required = true };
        var command = new Command("sites", "writes addresses of instructions that access memory, one a line") { image, count, output };
        command.SetAction(parsed =>
        {
            ulong[] sites = Of(parsed.GetValue(image)!, parsed.GetValue(count));
            File.WriteAllLines(parsed.GetValue(output)!, sites.Select(s => $"0x{s:x}"));
            Console.WriteLine($"{{\"sites\": {sites.Length}}}");
        });
        return command;
    }

    /// <summary>Reads what <c>sites</c> wrote.</summary>
    public static ulong[] Read(string path) => [.. File.ReadLines(path).Select(l => ulong.Parse(l.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture))];

    private static ulong[] Of(string path, int count)
    {
        using ElfImage image = ElfImage.Open(path);
        ElfSection text = image.FindSection(".text") ?? throw new InvalidOperationException($"{path} has no section .text");
        var decoder = Decoder.Create(image.Is64 ? 64 : 32, new ByteArrayCodeReader(text.Bytes.ToArray()));
        decoder.IP = text.Address;
        var accesses = new List<ulong>();
        while (decoder.IP < text.Address + text.Size)
        {
            decoder.Decode(out Instruction instruction);
            bool memory = Enumerable.Range(0, instruction.OpCount).Any(i => instruction.GetOpKind(i) == OpKind.Memory);
            if (memory && instruction.Mnemonic != Mnemonic.Lea && instruction.Mnemonic != Mnemonic.Nop && instruction.MemoryBase is not (Register.RSP or Register.RBP))
                accesses.Add(instruction.IP);
        }
        if (accesses.Count < count)
            throw new InvalidOperationException($"{path} has {accesses.Count} instructions that access memory: --count {count} are wanted");
        // The same ones in each run.
        var random = new Random(20_261_130);
        ulong[] all = [.. accesses];
        random.Shuffle(all);
        return all[..count];
    }
}
