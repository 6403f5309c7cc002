namespace Reheat.Core;

/// <summary>What a target may be called, everywhere: in traces, lists, names of record sections and the database.</summary>
public static class TargetName
{
    /// <summary>Most characters.</summary>
    public const int MaxLength = 64;

    /// <summary>The rule, for messages.</summary>
    public const string Expected = "1 to 64 characters of [a-z0-9._-]";

    /// <summary>True for a name that keeps to <see cref="Expected"/>.</summary>
    public static bool IsValid(string name) => name.Length is >= 1 and <= MaxLength && name.All(IsValid);

    /// <summary>True for a character that a name may have.</summary>
    public static bool IsValid(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-';
}
