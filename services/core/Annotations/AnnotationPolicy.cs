using System.Globalization;

namespace Reheat.Core.Annotations;

/// <summary>How much room an annotated class-2 site gets (domain facts, section 2).</summary>
public enum PaddingStyle : byte
{
    /// <summary>Room for <c>call rel32</c> to an out-of-line thunk: instruction and padding are 5 bytes at least.</summary>
    Thunk = 0,

    /// <summary>Room for Afterburner's in-line rewriting.</summary>
    Inline = 1,

    /// <summary>
    /// Each site is a jump to a thunk in the same function that counts, does the access and jumps back: a program proves by itself
    /// that its sites can be rewritten.
    /// </summary>
    Selftest = 2,
}

/// <summary>Which sites a list takes up, and how the second pass treats them. Part of the list's body.</summary>
public sealed record AnnotationPolicy
{
    /// <summary>Room for class-2 sites.</summary>
    public PaddingStyle Padding { get; init; }

    /// <summary>Traps that a site must have had, in executions.</summary>
    public long MinimumTraps { get; init; } = 1;

    /// <summary>Distinct wedges that must have reported it: a hostile guest alone annotates nothing if this is 2 or more.</summary>
    public int MinimumWedges { get; init; } = 1;

    /// <summary>Traps and hits that a build must have had to count as observed, and so to age what it did not execute.</summary>
    public long MinimumObserved { get; init; } = 1;

    /// <summary>Observed builds in a row without a trap or hit after which an annotation is dropped; 0: never.</summary>
    public int KeepBuilds { get; init; }

    /// <summary>Whether the second pass annotates class-1 instructions as well.</summary>
    public bool ClassOne { get; init; }

    /// <summary>All settings in fixed order: <c>padding=thunk traps=1 wedges=1 observed=1 keep=0 class1=no</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"padding={Word(Padding)} traps={MinimumTraps} wedges={MinimumWedges} " +
        $"observed={MinimumObserved} keep={KeepBuilds} class1={(ClassOne ? "yes" : "no")}");

    /// <summary>Reads settings in any order; what is not named keeps its default.</summary>
    /// <param name="text">As <see cref="ToString"/> writes it.</param>
    /// <param name="policy">The policy read so far, even if the answer is false.</param>
    /// <param name="bad">The word that cannot be read, if any.</param>
    public static bool TryParse(string text, out AnnotationPolicy policy, out string bad)
    {
        policy = new AnnotationPolicy();
        bad = "";
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? word : word[..equals];
            string value = equals < 0 ? "" : word[(equals + 1)..];
            bool isNumber = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number);
            bool isSmall = isNumber && number <= int.MaxValue;
            AnnotationPolicy? next = (key, value) switch
            {
                ("padding", _) when TryParse(value, out PaddingStyle padding) => policy with { Padding = padding },
                ("traps", _) when isNumber => policy with { MinimumTraps = number },
                ("wedges", _) when isSmall => policy with { MinimumWedges = (int)number },
                ("observed", _) when isNumber => policy with { MinimumObserved = number },
                ("keep", _) when isSmall => policy with { KeepBuilds = (int)number },
                ("class1", "yes") => policy with { ClassOne = true },
                ("class1", "no") => policy with { ClassOne = false },
                _ => null,
            };
            if (next is null)
            {
                bad = word;
                return false;
            }
            policy = next;
        }
        return true;
    }

    /// <summary>The word of a style; <c>afterburn</c>, after the original, is read as <c>inline</c>.</summary>
    public static bool TryParse(string word, out PaddingStyle style)
    {
        style = word switch
        {
            "inline" or "afterburn" => PaddingStyle.Inline,
            "selftest" => PaddingStyle.Selftest,
            _ => PaddingStyle.Thunk,
        };
        return style != PaddingStyle.Thunk || word == "thunk";
    }

    private static string Word(PaddingStyle style) => style switch
    {
        PaddingStyle.Inline => "inline",
        PaddingStyle.Selftest => "selftest",
        _ => "thunk",
    };
}
