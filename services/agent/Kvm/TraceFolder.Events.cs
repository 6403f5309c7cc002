using System.Runtime.CompilerServices;
using Reheat.Core;

namespace Reheat.Agent.Kvm;

internal sealed partial class TraceFolder
{
    private const ulong LocalApic = 0xfee0_0000;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeExit(in TraceLine line)
    {
        if (!KvmText.TryExit(line.Text, out ExitText exit))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        Finish(episode);
        episode.Begin(exit);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeEntry(in TraceLine line)
    {
        Episode episode = EpisodeOf(line.Thread);
        Finish(episode);
        episode.Clear();
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeFault(in TraceLine line)
    {
        if (!KvmText.TryFault(line.Text, out FaultText fault))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        if (episode.EndsAtFault)
        {
            Finish(episode);
            episode.Clear();
        }
        episode.Add(fault);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeInstruction(in TraceLine line)
    {
        if (!KvmText.TryInstruction(line.Text, out InstructionText instruction))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        if (episode.EndsAtInstruction)
        {
            Finish(episode);
            episode.Clear();
        }
        episode.Add(instruction);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeMmio(in TraceLine line)
    {
        if (!KvmText.TryMmio(line.Text, out MmioText mmio))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        // The answer of the load before it is this one; any other access says that it was answered unseen.
        if (episode.HasUnanswered && (mmio.Kind != MmioKind.Read || mmio.Address != episode.Unanswered.Address))
            Device(episode, episode.Unanswered);
        if (mmio.Kind == MmioKind.UnsatisfiedRead)
        {
            episode.Ask(mmio);
            return true;
        }
        episode.Answered();
        Device(episode, mmio);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeFastMmio(in TraceLine line)
    {
        if (!KvmText.TryFastMmio(line.Text, out ulong address))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        // Nothing is emulated: an instruction that stands here is another one's.
        if (episode.EndsAtInstruction)
            episode.Clear();
        // An eventfd hears stores alone; how wide the store was, only the instruction knows.
        Access(episode, Operation.DeviceWrite, 0, address, targets.Of(address));
        episode.Clear();
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Device(Episode episode, in MmioText mmio) =>
        Access(episode, mmio.Kind == MmioKind.Write ? Operation.DeviceWrite : Operation.DeviceRead, mmio.Length, mmio.Address, targets.Of(mmio.Address));

    /// <summary>The thread tells no more of this stop of its guest: an access of which there is no event of its own is counted now.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Finish(Episode episode)
    {
        if (episode.MayBeUncounted)
            FinishUncounted(episode);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FinishUncounted(Episode episode)
    {
        if (episode.HasUnanswered)
        {
            episode.Answered();
            Device(episode, episode.Unanswered);
        }
        if (episode.IsCounted)
            return;
        if (episode is { HasExit: true, Exit.Kind: ExitKind.ApicAccess })
        {
            // Intel SDM volume 3, table 28-6: bits 11:0 the offset, 15:12 the type: 0 a load, 1 a store; others are fetches and events.
            ulong type = (episode.Exit.Information >> 12) & 0xf;
            if (type <= 1)
                Access(episode, episode.Exit.Rip, type == 0 ? Operation.DeviceRead : Operation.DeviceWrite, 0, LocalApic | (episode.Exit.Information & 0xfff), GuestTargets.OfLocalApic);
        }
        else if (episode is { HasExit: true, Exit.Kind: ExitKind.ApicWritten, HasInstruction: false })
            Access(episode, code.Before(episode.Exit.Rip) ?? episode.Exit.Rip, Operation.DeviceWrite, 0, LocalApic, GuestTargets.OfLocalApic);
        else if (episode.HasFault && targets.IsDevice(episode.Fault.Address))
            Access(episode, episode.Fault.IsWrite ? Operation.DeviceWrite : Operation.DeviceRead, 0, episode.Fault.Address, targets.Of(episode.Fault.Address));
        // A store that is emulated and reaches no device: KVM keeps the guest's page tables from being written (shadow paging).
        else if (episode is { HasFault: true, Fault.IsWrite: true, HasInstruction: true, Instruction.Failed: false })
            Access(episode, Operation.PageTableWrite, 0, episode.Fault.Address, GuestTargets.OfPageTables);
        else if (episode.HasFault || episode.HasInstruction)
            NoAccess++;
    }
}
