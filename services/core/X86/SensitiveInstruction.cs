using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// A class-1 instruction, sensitive whatever it touches, with the room that Afterburner's in-line rewriting needs for it
/// (domain facts, section 2: the tables of the original's afterburner/parser for i386 and amd64).
/// </summary>
/// <param name="Family">The name its padding goes by: <c>cli</c>, <c>mov-cr</c>, <c>push-seg</c>.</param>
/// <param name="PaddingI386">NOP bytes after the instruction on i386.</param>
/// <param name="PaddingAmd64">NOP bytes after the instruction on amd64.</param>
public sealed record SensitiveInstruction(string Family, int PaddingI386, int PaddingAmd64)
{
    private static readonly SensitiveInstruction PushSegment = new("push-seg", 5, 5);
    private static readonly SensitiveInstruction PopSegment = new("pop-seg", 5, 5);
    private static readonly SensitiveInstruction MovSegment = new("mov-seg", 12, 12);
    private static readonly SensitiveInstruction MovControl = new("mov-cr", 12, 12);
    private static readonly SensitiveInstruction MovDebug = new("mov-dr", 12, 12);
    private static readonly SensitiveInstruction MovTest = new("mov-tr", 12, 12);
    private static readonly SensitiveInstruction FarJump = new("ljmp", 9, 9);
    private static readonly SensitiveInstruction FarCall = new("lcall", 9, 9);

    private static readonly Dictionary<Mnemonic, SensitiveInstruction> ByMnemonic = Table();

    /// <summary>NOP bytes for a bitness of 16, 32 or 64.</summary>
    public int Padding(int bitness) => bitness == 64 ? PaddingAmd64 : PaddingI386;

    /// <summary>The instruction's entry, or null if it is not of class 1.</summary>
    public static SensitiveInstruction? Of(in Instruction instruction) => instruction.Mnemonic switch
    {
        Mnemonic.Mov => OfMov(instruction),
        Mnemonic.Push => instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsSegmentRegister() ? PushSegment : null,
        Mnemonic.Pop => instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsSegmentRegister() ? PopSegment : null,
        Mnemonic.Jmp => instruction.Code.IsJmpFar() || instruction.Code.IsJmpFarIndirect() ? FarJump : null,
        Mnemonic.Call => instruction.Code.IsCallFar() || instruction.Code.IsCallFarIndirect() ? FarCall : null,
        Mnemonic mnemonic => ByMnemonic.GetValueOrDefault(mnemonic),
    };

    private static SensitiveInstruction? OfMov(in Instruction instruction)
    {
        for (int i = 0; i < 2; i++)
        {
            if (instruction.GetOpKind(i) != OpKind.Register)
                continue;
            Register register = instruction.GetOpRegister(i);
            if (register.IsSegmentRegister())
                return MovSegment;
            if (register.IsCR())
                return MovControl;
            if (register.IsDR())
                return MovDebug;
            if (register.IsTR())
                return MovTest;
        }
        return null;
    }

    private static Dictionary<Mnemonic, SensitiveInstruction> Table()
    {
        var table = new Dictionary<Mnemonic, SensitiveInstruction>();
        void Add(string family, int i386, int amd64, params ReadOnlySpan<Mnemonic> mnemonics)
        {
            foreach (Mnemonic mnemonic in mnemonics)
                table.Add(mnemonic, new SensitiveInstruction(family, i386, amd64));
        }

        Add("cli", 7, 8, Mnemonic.Cli);
        Add("sti", 23, 23, Mnemonic.Sti);
        Add("popf", 21, 21, Mnemonic.Popf, Mnemonic.Popfd, Mnemonic.Popfq);
        Add("pushf", 5, 6, Mnemonic.Pushf, Mnemonic.Pushfd, Mnemonic.Pushfq);
        Add("iret", 4, 4, Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq);
        Add("lret", 4, 4, Mnemonic.Retf);
        Add("hlt", 6, 6, Mnemonic.Hlt);
        Add("sldt", 6, 6, Mnemonic.Sldt);
        Add("invlpg", 6, 6, Mnemonic.Invlpg);
        Add("sgdt", 8, 8, Mnemonic.Sgdt);
        Add("sidt", 8, 8, Mnemonic.Sidt);
        Add("cpuid", 8, 8, Mnemonic.Cpuid);
        Add("wrmsr", 8, 8, Mnemonic.Wrmsr);
        Add("rdmsr", 8, 8, Mnemonic.Rdmsr);
        Add("ud2", 8, 8, Mnemonic.Ud2);
        Add("invd", 8, 8, Mnemonic.Invd);
        Add("wbinvd", 8, 8, Mnemonic.Wbinvd, Mnemonic.Wbnoinvd);
        Add("smsw", 8, 8, Mnemonic.Smsw);
        Add("lmsw", 8, 8, Mnemonic.Lmsw);
        Add("arpl", 8, 8, Mnemonic.Arpl);
        Add("lar", 8, 8, Mnemonic.Lar);
        Add("lsl", 8, 8, Mnemonic.Lsl);
        Add("rsm", 8, 8, Mnemonic.Rsm);
        Add("lgdt", 9, 9, Mnemonic.Lgdt);
        Add("lidt", 9, 9, Mnemonic.Lidt);
        Add("str", 9, 9, Mnemonic.Str);
        // int3 is left out: the kernel patches it in and out, and compilers pad with it.
        Add("int", 11, 11, Mnemonic.Int, Mnemonic.Into);
        Add("in", 13, 14, Mnemonic.In, Mnemonic.Insb, Mnemonic.Insw, Mnemonic.Insd);
        Add("out", 16, 16, Mnemonic.Out, Mnemonic.Outsb, Mnemonic.Outsw, Mnemonic.Outsd);
        Add("clts", 14, 14, Mnemonic.Clts);
        Add("lds", 16, 16, Mnemonic.Lds, Mnemonic.Les, Mnemonic.Lfs, Mnemonic.Lgs, Mnemonic.Lss);
        Add("lldt", 16, 16, Mnemonic.Lldt);
        Add("ltr", 16, 16, Mnemonic.Ltr);

        // Missing in the original, needed by kernels of today; each takes the room of its nearest relative above.
        Add("verr", 8, 8, Mnemonic.Verr, Mnemonic.Verw);
        Add("invpcid", 6, 6, Mnemonic.Invpcid, Mnemonic.Invlpga, Mnemonic.Invlpgb, Mnemonic.Tlbsync);
        Add("mwait", 6, 6, Mnemonic.Monitor, Mnemonic.Mwait, Mnemonic.Monitorx, Mnemonic.Mwaitx);
        Add("sysret", 4, 4, Mnemonic.Sysret, Mnemonic.Sysretq, Mnemonic.Sysexit, Mnemonic.Sysexitq, Mnemonic.Eretu, Mnemonic.Erets);
        Add("swapgs", 8, 8, Mnemonic.Swapgs, Mnemonic.Lkgs);
        Add("msr-list", 8, 8, Mnemonic.Wrmsrns, Mnemonic.Wrmsrlist, Mnemonic.Rdmsrlist);
        Add("xsetbv", 8, 8, Mnemonic.Xsetbv);
        Add("rdpmc", 8, 8, Mnemonic.Rdpmc);
        return table;
    }
}
