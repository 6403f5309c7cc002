namespace Reheat.Assembler;

/// <summary>Which options gas knows, and which of them take the next word: as.c and config/tc-i386.c of 2.40, and what came since.</summary>
internal static class AssemblerOptions
{
    private static readonly string[] WithValue =
    [
        "debug-prefix-map", "defsym", "elf-stt-common", "emulation", "gdwarf-cie-version", "generate-missing-build-notes", "hash-size", "itbl",
        "listing-cont-lines", "listing-lhs-width", "listing-lhs-width2", "listing-rhs-width", "MD", "multibyte-handling", "size-check",
        "malign-branch", "malign-branch-boundary", "malign-branch-prefix-size", "march", "mavxscalar", "mevexlig", "mevexrcig", "mevexwig",
        "mfence-as-lock-add", "mlfence-after-load", "mlfence-before-indirect-branch", "mlfence-before-ret", "mmnemonic", "momit-lock-prefix",
        "moperand-check", "mrelax-relocations", "msse-check", "msyntax", "mtls-check", "mtune", "mvexwig", "mx86-used-note",
    ];

    // They matter for what an abbreviation means.
    private static readonly string[] Alone =
    [
        "32", "64", "a", "al", "alternate", "compress-debug-sections", "divide", "dump-config", "execstack", "fatal-warnings", "gdwarf",
        "gdwarf-2", "gdwarf-3", "gdwarf-4", "gdwarf-5", "gdwarf-sections", "gen-debug", "gsframe", "gstabs", "gstabs+", "help", "keep-locals",
        "madd-bnd-prefix", "mamd64", "mbranches-within-32B-boundaries", "mindex-reg", "mintel64", "mnaked-reg", "mri", "mshared", "msse2avx",
        "muse-unaligned-vector-move", "no-pad-sections", "no-warn", "nocompress-debug-sections", "nocpp", "noexecstack",
        "reduce-memory-overheads", "sectname-subst", "statistics", "strip-local-absolute", "target-help", "traditional-format", "verbose",
        "version", "warn", "x32",
    ];

    private const string Flags = "JLMRWZDfvwXkVsqn";

    /// <summary>Short options whose value is the rest of the word, or the next word if there is no rest.</summary>
    private const string FlagsWithValue = "IoQ";

    /// <summary>Short options whose value, if any, is the rest of the word.</summary>
    private const string FlagsWithRest = "agO";

    /// <summary>The long option that a word names, with one dash or two, whole or shortened; null if it names none.</summary>
    public static string? Long(string word)
    {
        bool isPlain = !word.StartsWith("--", StringComparison.Ordinal);
        if (isPlain && word.Length == 2 && $"{Flags}{FlagsWithValue}{FlagsWithRest}".Contains(word[1], StringComparison.Ordinal))
            return null;
        string name = word[(isPlain ? 1 : 2)..].Split('=')[0];
        if (name.Length == 0 || TakesValue(name) || Array.IndexOf(Alone, name) >= 0)
            return name.Length == 0 ? null : name;
        string[] like = [.. WithValue.Concat(Alone).Where(option => option.StartsWith(name, StringComparison.Ordinal))];
        return like is [var only] ? only : null;
    }

    /// <summary>True for a long option with a value, behind <c>=</c> or in the next word.</summary>
    public static bool TakesValue(string name) => Array.IndexOf(WithValue, name) >= 0;

    /// <summary>The single options of a word like <c>-Wofile</c>. What is none of gas 2.40's stays whole: as knows what to say of it.</summary>
    public static IEnumerable<string> Short(string word)
    {
        int at = 1;
        while (at < word.Length && Flags.Contains(word[at], StringComparison.Ordinal))
            at++;
        bool isRest = at < word.Length && !FlagsWithValue.Contains(word[at], StringComparison.Ordinal) && !FlagsWithRest.Contains(word[at], StringComparison.Ordinal);
        if (isRest)
            return [word];
        IEnumerable<string> flags = word[1..at].Select(flag => $"-{flag}");
        return at < word.Length ? flags.Append($"-{word[at..]}") : flags;
    }

    /// <summary>True for a short option, alone in its word, whose value is the next word.</summary>
    public static bool TakesNext(string option) => option.Length == 2 && FlagsWithValue.Contains(option[1], StringComparison.Ordinal);
}
