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
