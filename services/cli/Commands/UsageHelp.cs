using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Reheat.Cli.Commands;

/// <summary>Help whose usage line has options before what stands after <c>--</c>.</summary>
internal sealed class UsageHelp(HelpAction inner) : SynchronousCommandLineAction
{
    /// <summary>Puts it in the place of a command line's own help.</summary>
    public static void Use(RootCommand root)
    {
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
            help.Action = new UsageHelp((HelpAction)help.Action!);
    }

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        TextWriter output = parseResult.InvocationConfiguration.Output;
        using var text = new StringWriter();
        parseResult.InvocationConfiguration.Output = text;
        int exitCode = inner.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output = output;
        output.Write(text.ToString().Replace("<QEMU-ARGS>... [options]", "[options] -- QEMU-ARGS…", StringComparison.Ordinal));
        return exitCode;
    }
}
