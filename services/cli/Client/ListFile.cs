using Reheat.Core;
using Reheat.Core.Annotations;

namespace Reheat.Cli.Client;

/// <summary>Annotation lists in files.</summary>
internal static class ListFile
{
    /// <summary>The text of a file.</summary>
    /// <exception cref="CommandException">It cannot be read.</exception>
    public static string Text(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read {path}: {e.Message}");
        }
    }

    /// <summary>A list that is whole.</summary>
    /// <exception cref="CommandException">It is not; the message is what is wrong with it, line by line.</exception>
    public static AnnotationList Parse(string text, string place)
    {
        AnnotationListResult read = AnnotationListReader.Read(text, place);
        return read.IsWhole ? read.List : throw new CommandException(ExitCode.BadInput, string.Join<Diagnostic>(Environment.NewLine, read.Diagnostics));
    }

    /// <summary>The rules of a list that people wrote.</summary>
    public static ByHandRules ReadByHand(string path)
    {
        AnnotationList list = Parse(Text(path), path);
        return list.ByHand ? new ByHandRules(list) : throw new CommandException(ExitCode.BadInput, $"{path} is not marked as written by hand: expected a line \"by-hand\" behind the first");
    }
}
