using System.Text;
using Reheat.Agent;
using Reheat.Agent.Kvm;
using Reheat.Agent.Machine;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Lines, folded in the images of a guest.</summary>
internal sealed class Folding : IDisposable
{
    private readonly ElfImage _elf;
    private readonly GuestTargets _targets;

    public Folding(TestImage image, long bias = 0, string? map = null)
    {
        Image = image;
        _elf = ElfImage.Open(image.Path);
        _targets = new GuestTargets(map is null ? null : MemoryMap.Parse(map, out _));
        Folder = new TraceFolder(new GuestCode(new ImageTable([image.Loaded(bias)]), [_elf]), _targets);
    }

    public TestImage Image { get; }

    public TraceFolder Folder { get; }

    /// <summary>Takes lines of one vCPU's thread, or whole lines.</summary>
    public Folding Take(params IEnumerable<string> events)
    {
        foreach (string text in events)
            Folder.Take(Encoding.UTF8.GetBytes(text.StartsWith("kvm_", StringComparison.Ordinal) ? $"CPU 0/KVM-41 [001] d..1.  1.000001: {text}" : text));
        return this;
    }

    /// <summary>What was counted since the last call, in order: "function+offset operation:size:target executions elements", then drops.</summary>
    public IReadOnlyList<string> Counted()
    {
        TraceBlock block = Folder.Cut(0, 1, 0);
        return
        [
            .. block.Rows.Select(r => (Row: Folder.Rows[r.Row], r.Executions, r.Elements)).Select(r =>
                $"{NameOf(r.Row.Site.Address)} {r.Row.Operation.Name()}:{r.Row.Size}:{_targets.Name(r.Row.Target)} {r.Executions} {r.Elements}"),
            .. block.Drops.Select(d => $"{d.Reason} {d.Traps}"),
        ];
    }

    private string NameOf(ImageAddress address) => Image.Instructions.Single(i => i.Address == address.Value).Function;

    public void Dispose() => _elf.Dispose();
}
