using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Agent.Kvm;

/// <summary>
/// Whether the images are where the trace's instructions are: at most of its accesses' addresses the image must have the bytes that the trace tells or,
/// if it tells none, an instruction that accesses memory. Some differ in every kernel, as code is patched at run time.
/// </summary>
internal sealed class SlideCheck(GuestCode code)
{
    /// <summary>Instructions that are enough to judge.</summary>
    public const int Enough = 64;

    /// <summary>Instructions that will do where more must be waited for.</summary>
    public const int Few = 8;

    // Linux on x86-64 moves itself by multiples of CONFIG_PHYSICAL_ALIGN, 2 MiB at least, within the 1 GiB of its mapping.
    private const long Step = 2 << 20;
    private const long Farthest = 1 << 30;
    private const int FewestForASlide = 3;

    private readonly Dictionary<ulong, InstructionBytes> _samples = [];

    /// <summary>Distinct instructions so far.</summary>
    public int Samples => _samples.Count;

    /// <summary>Takes note of an access.</summary>
    public void Accessed(ulong ip, InstructionBytes bytes)
    {
        if (_samples.Count < Enough || _samples.ContainsKey(ip))
            _samples[ip] = bytes.Length > 0 ? bytes : _samples.GetValueOrDefault(ip);
    }

    /// <summary>What is wrong, or null.</summary>
    /// <param name="images">The images.</param>
    /// <param name="files">The file of each.</param>
    public string? Wrong(IReadOnlyList<GuestImage> images, IReadOnlyList<ElfImage> files)
    {
        int inside = 0, fits = 0;
        (ulong Ip, InstructionBytes Bytes)? misfit = null;
        foreach ((ulong ip, InstructionBytes bytes) in _samples)
        {
            ReadOnlySpan<byte> there = code.BytesAt(ip);
            if (there.IsEmpty)
                continue;
            inside++;
            bool fit = bytes.Length > 0 ? there.StartsWith(bytes.Span) : code.Find(ip)!.Instruction.AccessesMemory;
            fits += fit ? 1 : 0;
            if (!fit)
                misfit ??= (ip, bytes);
        }
        if (inside > 0 && fits * 2 >= inside)
            return null;
        string slide = FindSlide(images, files);
        if (inside == 0)
        {
            // Perhaps only firmware ran, or user space: then nothing is wrong, and nothing is in the images.
            return slide.Length == 0 ? null : $"none of the trace's instructions is inside {Names(images)}{slide}";
        }
        (ulong at, InstructionBytes ran) = misfit!.Value;
        string there0 = Convert.ToHexStringLower(code.BytesAt(at)[..Math.Min(code.BytesAt(at).Length, Math.Max(ran.Length, 4))]);
        return $"the trace's instructions are not those of {Names(images)}: of {inside} inside it only {fits} fit; at 0x{at:x} " +
            (ran.Length > 0 ? $"the guest ran {Convert.ToHexStringLower(ran.Span)}, the image has {there0}" : $"the image has {there0}, which accesses no memory") +
            (slide.Length > 0 ? slide : " — is it the image that the guest runs? If KASLR moved it, give its place: --image PATH@BIAS, --kallsyms or --vmcoreinfo");
    }

    private static string Names(IReadOnlyList<GuestImage> images) => string.Join(", ", images.Select(i => i.Name).Distinct());

    /// <summary>The slide of the first image at which its bytes are those of the trace, as a hint; empty if there is none.</summary>
    private string FindSlide(IReadOnlyList<GuestImage> images, IReadOnlyList<ElfImage> files)
    {
        if (files.Count == 0 || files[0].IsRelocatable)
            return "";
        (ulong Ip, InstructionBytes Bytes)[] told = [.. _samples.Where(s => s.Value.Length > 1).Select(s => (s.Key, s.Value))];
        (long Bias, int Fits) best = default;
        for (long bias = -Farthest; bias <= Farthest; bias += Step)
        {
            int fits = 0;
            foreach ((ulong ip, InstructionBytes bytes) in told)
            {
                ImageAddress address = new GuestAddress(ip).Unbias(new LoadBias(bias));
                if (files[0].IsExecutable(address) && files[0].BytesAt(address, bytes.Length).SequenceEqual(bytes.Span))
                    fits++;
            }
            if (fits > best.Fits)
                best = (bias, fits);
        }
        return best.Fits < FewestForASlide || best.Fits * 2 < told.Length
            ? ""
            : $"; at 0x{Math.Abs(best.Bias):x} {(best.Bias < 0 ? "below" : "above")} its link address {best.Fits} of {told.Length} are: --image {images[0].Name}@{(best.Bias < 0 ? "-" : "")}0x{Math.Abs(best.Bias):x}";
    }
}
