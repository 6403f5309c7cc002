using System.Runtime.CompilerServices;

namespace Reheat.Agent.Kvm;

/// <summary>Spaces before and behind a text. In every line, so compiled into what asks: the library's are compiled for speed only after a while.</summary>
internal static class Spaces
{
    /// <summary>The first place from <paramref name="i"/> on that has no space.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int End(ReadOnlySpan<byte> text, int i)
    {
        while (i < text.Length && text[i] == ' ')
            i++;
        return i;
    }

    /// <summary>Without the spaces before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReadOnlySpan<byte> After(ReadOnlySpan<byte> text) => text[End(text, 0)..];

    /// <summary>Without the spaces behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReadOnlySpan<byte> Before(ReadOnlySpan<byte> text)
    {
        int end = text.Length;
        while (end > 0 && text[end - 1] == ' ')
            end--;
        return text[..end];
    }
}
