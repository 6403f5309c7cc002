using Reheat.Core;

namespace Reheat.Agent.Kvm;

internal sealed partial class TraceFolder
{
    private const ulong LocalApic = 0xfee0_0000;

    private bool TakeExit(in TraceLine line)
    {
        if (!KvmText.TryExit(line.Text, out ExitText exit))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        Finish(episode);
        episode.Begin(exit);
        return true;
    }

    private bool TakeEntry(in TraceLine line)
    {
        Episode episode = EpisodeOf(line.Thread);
        Finish(episode);
        episode.Clear();
        return true;
    }

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

    private bool TakeMmio(in TraceLine line)
    {
        if (!KvmText.TryMmio(line.Text, out MmioText mmio))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        // The answer of the load before it is this one; any other access says that it was answered unseen.
        if (episode.Unanswered is { } before && (mmio.Kind != MmioKind.Read || mmio.Address != before.Address))
            Device(episode, before);
        episode.Unanswered = mmio.Kind == MmioKind.UnsatisfiedRead ? mmio : null;
        if (mmio.Kind != MmioKind.UnsatisfiedRead)
            Device(episode, mmio);
        return true;
    }

    private bool TakeFastMmio(in TraceLine line)
    {
        if (!KvmText.TryFastMmio(line.Text, out ulong address))
            return false;
        Episode episode = EpisodeOf(line.Thread);
        // Nothing is emulated: an instruction that stands here is another one's.
        if (episode.EndsAtInstruction)
            episode.Clear();
        // An eventfd hears stores alone; how wide the store was, only the instruction knows.
        Access(episode, episode.Rip, Operation.DeviceWrite, 0, address, targets.Of(address));
        episode.Clear();
        return true;
    }

    private void Device(Episode episode, MmioText mmio) => Access(
        episode, episode.Rip, mmio.Kind == MmioKind.Write ? Operation.DeviceWrite : Operation.DeviceRead, mmio.Length, mmio.Address, targets.Of(mmio.Address));

    /// <summary>The thread tells no more of this stop of its guest: an access of which there is no event of its own is counted now.</summary>
    private void Finish(Episode episode)
    {
        if (episode.Unanswered is { } unanswered)
        {
            episode.Unanswered = null;
            Device(episode, unanswered);
        }
        if (episode.IsCounted)
            return;
        switch (episode)
        {
            case { Exit: { Kind: ExitKind.ApicAccess } exit }:
                // Intel SDM volume 3, table 28-6: bits 11:0 the offset, 15:12 the type: 0 a load, 1 a store; others are fetches and events.
                ulong type = (exit.Information >> 12) & 0xf;
                if (type <= 1)
                    Access(episode, exit.Rip, type == 0 ? Operation.DeviceRead : Operation.DeviceWrite, 0, LocalApic | (exit.Information & 0xfff), GuestTargets.OfLocalApic);
                break;
            case { Exit: { Kind: ExitKind.ApicWritten } exit, Instruction: null }:
                Access(episode, code.Before(exit.Rip) ?? exit.Rip, Operation.DeviceWrite, 0, LocalApic, GuestTargets.OfLocalApic);
                break;
            case { Fault: { } fault } when targets.IsDevice(fault.Address):
                Access(episode, episode.Rip, fault.IsWrite ? Operation.DeviceWrite : Operation.DeviceRead, 0, fault.Address, targets.Of(fault.Address));
                break;
            // A store that is emulated and reaches no device: KVM keeps the guest's page tables from being written (shadow paging).
            case { Fault: { IsWrite: true }, Instruction: { Failed: false } }:
                Access(episode, episode.Rip, Operation.PageTableWrite, 0, episode.Fault!.Value.Address, GuestTargets.OfPageTables);
                break;
            case { Fault: not null } or { Instruction: not null }:
                NoAccess++;
                break;
        }
    }
}
