namespace Reheat.Cli.Client;

/// <summary>Why a file cannot be used, without its name: the message that it goes into has it already.</summary>
internal static class FileFault
{
    public static string Of(Exception e) => e switch
    {
        FileNotFoundException => "no such file",
        DirectoryNotFoundException => "no such directory",
        UnauthorizedAccessException => "permission denied, or it is a directory",
        _ => e.Message,
    };
}
