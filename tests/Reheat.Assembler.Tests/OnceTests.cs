using Reheat.Core.Annotations;
using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>
/// One run of the assembler where the text tells the statements and the object confirms them, two where the text may count bytes of code, one more where
/// the guess was wrong; object and report are the same.
/// </summary>
public sealed class OnceTests
{
    private const string Text = """
        	.file	"a.c"
        	.text
        	.globl	f
        	.type	f, @function
        f:
        	movl	(%rdi), %eax
        	BETWEEN
        	movl	%eax, 16(%rdi)
        	ret
        	.size	f, .-f
        BEHIND

        """;

    private const string Data = ".section .rodata; ";

    [Theory]
    [InlineData("nop; endbr64", "", 1)]
    [InlineData("jne .Lx; addl $-8, %eax; .Lx:", "", 1)]
    [InlineData("rep; nop", "", 1)]
    [InlineData("1: .byte 0x0f, 0x0b; .pushsection __bug_table,\"aw\"; 2: .long 1b - .; .org 2b+12; .popsection", "", 1)]
    [InlineData("1: jmp .Lx; .pushsection __jump_table,\"aw\"; .long 1b - ., .Lx - .; .quad key - .; .popsection; .Lx:", "", 1)]
    [InlineData("661: nop; 662: .skip -(((665f-664f)-(662b-661b)) > 0) * ((665f-664f)-(662b-661b)),0x90", ".section .altinstr_replacement,\"ax\"; 664: cli; 665:", 1)]
    [InlineData("call g@PLT; leaq data+8(%rip), %rcx; movl -4(%rsp,%rcx), %ecx", Data + "data: .quad 0, 0, data+8", 1)]
    [InlineData("", Data + ".quad f; .long f - .", 1)]
    [InlineData("", Data + "t: .long .Lx - t; .text; .Lx: ret", 1)]
    [InlineData("", ".section .other,\"aw\"; .text; g: ret; .section .other; h: .quad h+8", 1)]
    [InlineData("", ".p2align 4,,10; g: ret", 1)]
    [InlineData("", ".balign 16, 0xcc; g: ret", 2)]
    [InlineData("", ".org 64; g: ret", 2)]
    [InlineData("", ".Lx: .skip .Lx - f, 0; g: ret", 2)]
    [InlineData("leaq f+3(%rip), %rcx", "", 2)]
    [InlineData("jmp .+2", "", 2)]
    [InlineData("1: jmp 1b+2", "", 2)]
    [InlineData("movl $f - g, %ecx", "g: ret", 2)]
    [InlineData("", Data + ".quad f+3", 2)]
    [InlineData("", Data + ".quad 3+f", 2)]
    [InlineData("", Data + ".long (f - .) + 3", 2)]
    [InlineData("1:", Data + ".quad 1b + 4", 2)]
    [InlineData("", "h = f + 3", 2)]
    [InlineData("", ".set h, f + 3", 2)]
    [InlineData("", ".set h, f; .set n, 0; .set n, n+1; " + Data + ".quad h, n", 1)]
    [InlineData("", ".set h, f; i = h; " + Data + ".quad i+3", 2)]
    [InlineData("1:", ".set h, 1b; " + Data + ".quad h+3", 2)]
    [InlineData("", ".set n, 3; " + Data + ".quad f+n", 2)]
    [InlineData("", ".set n, 3; " + Data + ".quad f-n", 2)]
    [InlineData("", Data + "g: .skip .Le - f; .text; .Le: ret", 2)]
    [InlineData("", ".section .some.text; g: .quad 0; " + Data + ".quad g+8", 2)]
    [InlineData("", ".if . - f > 16; g: ret; .endif", 2)]
    [InlineData(".macro m\n.quad f+3\n.endm", "", 2)]
    [InlineData(".macro m\naddl $1, %eax\nsubl $1, %eax\n.endm\nm", "", 2)]
    [InlineData(".macro leap to,n\njmp \\to+\\n\n.endm", "g: leap f, 7", 2)]
    [InlineData(".macro leap to,n\njmp \\to\\n\n.endm", "g: leap f,+7", 2)]
    [InlineData(".macro leap to=f,n=7\njmp \\to+\\n\n.endm", "g: leap", 2)]
    [InlineData(".macro leap n\njmp f\\n\n.endm", "g: leap +7", 2)]
    [InlineData("1: .macro leap to\njmp \\to+7\n.endm\nleap 1b", "", 2)]
    [InlineData(".macro less s,n\n.quad \\s-\\n\n.endm", Data + "less f,3", 2)]
    [InlineData("", Data + ".irp s,f\n.quad \\s+3\n.endr", 2)]
    [InlineData("1: .macro entry at,n,r\n.byte \\n\n.ifc \\r,%eax\n.byte 1\n.endif\n.endm\n.pushsection .other,\"a\"; entry 1b, 8-1, %eax; .popsection", "", 1)]
    // Nothing in the text shows that these bytes are an instruction: the guess is one too early.
    [InlineData(".byte 0x48, 0x89, 0xc1; movl %eax, 16(%rdi)", "", 3)]
    public void Assembled_so_often(string between, string behind, int expected)
    {
        using var scratch = new Scratch();
        scratch.Write("x.s", Text.Replace("BETWEEN", between, StringComparison.Ordinal).Replace("BEHIND", behind, StringComparison.Ordinal));
        scratch.Run("as", "x.s -o plain.o");
        int stores = 0;
        scratch.Write("list", AnnotationListWriter.Write(MemorySites.Of(scratch.File("plain.o"), wanted: i => i.Ordinal == 0 || (i.Instruction.Writes && stores++ == 0))));
        scratch.Write("counting", "#!/bin/sh\necho run >>runs\nexec as \"$@\"\n");
        File.SetUnixFileMode(scratch.File("counting"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (string twice, int runs) = Assemble(scratch, ("REHEAT_TWICE", "1"));
        // More where padding is refused at last because a place is counted in bytes: each half of the sites is tried.
        Assert.InRange(runs, 2, 6);
        Assert.Equal((twice, expected == 1 ? 1 : runs + expected - 2), Assemble(scratch));
    }

    private static (string Result, int Runs) Assemble(Scratch scratch, params ReadOnlySpan<(string, string)> environment)
    {
        File.Delete(scratch.File("report"));
        File.Delete(scratch.File("runs"));
        scratch.Run(Scratch.Program, "x.s -o x.o",
            [("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("report")), ("REHEAT_AS", scratch.File("counting")), .. environment]);
        string report = scratch.Text("report");
        return ($"{report[..report.IndexOf("\"seconds\"", StringComparison.Ordinal)]}\n{Convert.ToHexString(scratch.Read("x.o"))}",
            scratch.Text("runs").Split('\n').Length - 1);
    }
}
