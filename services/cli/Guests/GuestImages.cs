using System.Globalization;
using Reheat.Agent;
using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Cli.Guests;

/// <summary>The images of a guest from the command line: <c>PATH</c> or <c>PATH@BIAS</c>.</summary>
internal static class GuestImages
{
    /// <summary>Splits a load bias off; a path that exists as it stands is taken whole.</summary>
    public static (string Path, LoadBias Bias) Split(string text)
    {
        int at = text.LastIndexOf('@');
        if (at <= 0 || File.Exists(text))
            return (text, default);
        string number = text[(at + 1)..];
        bool negative = number.StartsWith('-');
        if (negative)
            number = number[1..];
        if (!number.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            || !long.TryParse(number.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long bias))
        {
            throw new CommandException(ExitCode.Usage, $"--image {text}: expected PATH or PATH@BIAS with a hexadecimal bias such as 0x1e000000");
        }
        return (text[..at], new LoadBias(negative ? -bias : bias));
    }

    /// <summary>The argument that names an image with its bias, whole paths, for a command to copy.</summary>
    public static string Text(string argument)
    {
        (string path, LoadBias bias) = Split(argument);
        string sign = bias.Value < 0 ? "-" : "";
        string text = Path.GetFullPath(path) + (bias.Value == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"@{sign}0x{Math.Abs(bias.Value):x}"));
        return text.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '@' or '+' or ':' or ',') ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>Says so if a file is no kernel's; else null.</summary>
    public static string? DoubtOfProgram(string path)
    {
        using ElfImage elf = ImageFile.Open(path);
        return elf.Segments.Any(s => s.IsInterpreter) ? $"{path} is a user-space program (it names an interpreter): a guest's kernel or module is expected" : null;
    }

    /// <summary>What looks wrong about an image that is to be a guest kernel's, or null.</summary>
    public static string? Doubt(string argument)
    {
        (string path, LoadBias bias) = Split(argument);
        using ElfImage elf = ImageFile.Open(path);
        bool biased = bias.Value != 0;
        return elf switch
        {
            _ when elf.Segments.Any(s => s.IsInterpreter) => DoubtOfProgram(path),
            { Type: ElfType.Shared } when !biased => $"{path} is position-independent: unless the guest loads it at its link address, give its bias: {path}@BIAS",
            { IsRelocatable: true } when !biased => $"{path} is relocatable (a module or an object): its code is found only if its place is given: {path}@BIAS",
            _ => null,
        };
    }

    /// <summary>Whether these images are the code that a session's wedge records; null, or what differs.</summary>
    public static string? Mismatch(IReadOnlyList<(ulong Start, ulong End)> inside, IReadOnlyList<GuestImage> images)
    {
        (ulong Start, ulong End)[] code = [.. QemuCommand.CodeRanges(images)];
        foreach ((ulong start, ulong end) in inside)
        {
            // An image that begins where the session's does and is longer or shorter is another build of it.
            if (code.Any(c => c.Start <= start && end <= c.End && (c.Start != start || c.End == end)))
                continue;
            return $"its wedge recorded the code at 0x{start:x} to 0x{end:x}, but these images have code at {string.Join(", ", code.Select(c => $"0x{c.Start:x} to 0x{c.End:x}").DefaultIfEmpty("no address"))}";
        }
        return null;
    }

    /// <summary>What the agent has to know of each image.</summary>
    public static IReadOnlyList<GuestImage> Read(IEnumerable<string> arguments)
    {
        var images = new List<GuestImage>();
        foreach (string argument in arguments)
        {
            (string path, LoadBias bias) = Split(argument);
            using ElfImage elf = ImageFile.Open(path);
            images.Add(new GuestImage(elf.BuildId, Path.GetFileName(path), bias, [.. elf.ExecutableRanges.Select(r => (r.Start, r.End))]));
        }
        return images;
    }
}
