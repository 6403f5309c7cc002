namespace Reheat.Core.Tests.Records;

/// <summary>
/// A program with sites as a second pass emits them. SITES: 0 none, 1 padded to 5 bytes with records, 2 moved into thunks (policy selftest).
/// NAME is what record sections begin with, WORD their words' directive.
/// </summary>
internal static class AnnotatedSource
{
    public const string Text = """
        #ifndef NAME
        #define NAME .afterburn
        #endif
        #ifdef __x86_64__
        #define WORD .quad
        #define R(name) %r##name
        #else
        #define WORD .long
        #define R(name) %e##name
        #endif

            .macro record target, start, end
            .pushsection NAME\target, "", @progbits
            .balign 4
            WORD \start, \end
            .popsection
            .endm

            .macro site name, target, text:vararg
        #if SITES == 0
        \name:
            \text
        #elif SITES == 1
        \name:
            \text
            .skip -((. - \name) < 5) * (5 - (. - \name)), 0x90
        \name\()_end:
            record \target, \name, \name\()_end
        #else
        \name:
            .byte 0xe9
            .long \name\()_thunk - . - 4
        \name\()_end:
            record \target, \name, \name\()_end
        #endif
            .endm

            .macro thunk name, text:vararg
        #if SITES == 2
        \name\()_thunk:
            pushf
            incl count_\name
            popf
        \name\()_access:
            \text
            jmp \name\()_end
        \name\()_thunk_end:
            .pushsection NAME\()_selftest, "", @progbits
            WORD \name, count_\name
            .popsection
            .pushsection .data
        count_\name:
            .long 0
            .popsection
        #endif
            .endm

            .macro begin name
            .globl \name
            .type \name, @function
        \name:
            .endm
            .macro finish name
            .size \name, . - \name
            .endm

            .globl a_site, b_site, c_site, d_site, a_site_end, b_site_end, c_site_end, d_site_end
            .globl a_site_thunk, a_site_thunk_end, a_site_access
            .text
            begin poll
            test %ecx, %ecx
        1:  je 2f
            site a_site, .lapic, mov 0x20(R(di)), %eax
            dec %ecx
            site b_site, .lapic, movl $0x12345678, 0x1234(R(di))
            jmp 1b
        2:  ret
            thunk a_site, mov 0x20(R(di)), %eax
            thunk b_site, movl $0x12345678, 0x1234(R(di))
            finish poll

            begin swap
            site c_site, .ioapic, xchg %eax, (R(di))
            add $1, %eax
            site d_site, .hpet, lock orl %eax, counter
            ret
            thunk c_site, xchg %eax, (R(di))
            thunk d_site, lock orl %eax, counter
            finish swap

            .globl _start, counter
            begin _start
        #if SITES == 1
        9:  cli
            .skip 8, 0x90
        8:
            record , 9b, 8b
        #else
            cli
        #endif
            call poll
            call swap
            hlt
            finish _start
            .data
        counter: .long 0
            .section .note.GNU-stack, "", @progbits
        """;
}
