using System.Runtime.CompilerServices;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Agent.Kvm;

/// <summary>An instruction of the guest's images that accessed something.</summary>
internal sealed class GuestSite(GuestAddress ip, int image, ImageAddress address, in SiteInstruction inImage)
{
    /// <summary>Where the guest runs it.</summary>
    public GuestAddress Ip => ip;

    /// <summary>Index of its image.</summary>
    public int Image => image;

    /// <summary>Where the image has it.</summary>
    public ImageAddress Address => address;

    /// <summary>As it ran last: the image's bytes, until the trace has told others (an alternative's).</summary>
    public SiteInstruction Instruction { get; private set; } = inImage;

    /// <summary>True if <see cref="Instruction"/> loads and stores one operand.</summary>
    public bool IsExchange { get; private set; } = inImage.IsReadModifyWrite;

    /// <summary>Bytes of one access of <see cref="Instruction"/>; 0 if it makes none.</summary>
    public uint AccessSize { get; private set; } = (uint)inImage.AccessSize;

    /// <summary>The bytes that the trace told last; none if it told none.</summary>
    public InstructionBytes Told { get; private set; }

    /// <summary>Its rows: kind, then index of the row.</summary>
    public List<(int Kind, int Row)> Rows { get; } = [];

    /// <summary>That of <see cref="Rows"/> that was asked for last; no kind is 0.</summary>
    public (int Kind, int Row) LastRow { get; set; }

    /// <summary>Takes note of the bytes that ran.</summary>
    public void Ran(InstructionBytes bytes, int bitness)
    {
        Told = bytes;
        var decoded = SiteInstruction.Decode(bytes.Span, ip.Value, bitness == 0 ? Instruction.Bitness : bitness);
        if (!decoded.IsValid)
            return;
        Instruction = decoded;
        IsExchange = decoded.IsReadModifyWrite;
        AccessSize = (uint)decoded.AccessSize;
    }
}

/// <summary>The code of the guest's images, by address as the guest runs it.</summary>
internal sealed class GuestCode
{
    private const int MaxInstruction = 15;
    private const int Recent = 1 << 10;

    private readonly ImageTable _table;
    private readonly IReadOnlyList<ElfImage> _files;
    private readonly Dictionary<ulong, GuestSite> _sites = [];

    // Millions of accesses come from some hundred instructions.
    private readonly GuestSite?[] _recent = new GuestSite?[Recent];

    /// <summary>Takes the images and the file of each.</summary>
    public GuestCode(ImageTable table, IReadOnlyList<ElfImage> files)
    {
        _table = table;
        _files = files;
    }

    /// <summary>Distinct instructions that were asked for.</summary>
    public int Sites => _sites.Count;

    /// <summary>The instruction at an address; null if it lies in no image.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public GuestSite? Find(ulong ip)
    {
        ref GuestSite? recent = ref _recent[(int)((ip ^ (ip >> 10)) % Recent)];
        return recent is { } site && site.Ip.Value == ip ? site : recent = Look(ip);
    }

    private GuestSite? Look(ulong ip)
    {
        if (_sites.TryGetValue(ip, out GuestSite? site))
            return site;
        int image = _table.Find(new GuestAddress(ip));
        if (image < 0)
            return null;
        ImageAddress address = new GuestAddress(ip).Unbias(_table.Images[image].Bias);
        site = new GuestSite(new GuestAddress(ip), image, address, Decode(image, address));
        _sites.Add(ip, site);
        return site;
    }

    /// <summary>The image's bytes at an address; empty outside.</summary>
    public ReadOnlySpan<byte> BytesAt(ulong ip)
    {
        int image = _table.Find(new GuestAddress(ip));
        return image < 0 ? [] : _files[image].BytesAt(new GuestAddress(ip).Unbias(_table.Images[image].Bias), MaxInstruction);
    }

    /// <summary>The address of the instruction that ends where another begins, found by decoding its function from the start; null if there is none.</summary>
    public ulong? Before(ulong ip)
    {
        // A call or jump may have led to ip: an APIC write is no control flow, so the instruction before in the text is the one before in time.
        int image = _table.Find(new GuestAddress(ip - 1));
        if (image < 0)
            return null;
        long bias = _table.Images[image].Bias.Value;
        ImageAddress address = new GuestAddress(ip).Unbias(new LoadBias(bias));
        if (_files[image].FindFunction(new ImageAddress(address.Value - 1)) is not { } function)
            return null;
        for (ImageAddress at = function.Start; at.Value < address.Value;)
        {
            SiteInstruction instruction = Decode(image, at);
            if (!instruction.IsValid)
                return null;
            if (at.Value + (ulong)instruction.Length == address.Value)
                return unchecked(at.Value + (ulong)bias);
            at += (ulong)instruction.Length;
        }
        return null;
    }

    /// <summary>What a site is told of by name: where, and in which image.</summary>
    public string NameOf(GuestSite site) => $"{_table.Images[site.Image].Name} {site.Address}";

    private SiteInstruction Decode(int image, ImageAddress address) =>
        SiteInstruction.Decode(_files[image].BytesAt(address, MaxInstruction), address.Value, _files[image].Is64 ? 64 : 32);
}
