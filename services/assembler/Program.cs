using Reheat.Assembler;
using Reheat.Assembler.Ld;
using Reheat.Assembler.Matching;

foreach (string setting in (ReadOnlySpan<string>)["DOTNET_GCgen0size", "DOTNET_GCLOHThreshold", "DOTNET_GCRegionRange"])
    Native.ClearVariable(setting); // start.c
Native.IgnoreFileSizeSignal();
if (Words.Own(args) is not { } words)
{
    Diagnose.Say("a name on the command line is no UTF-8, and without /proc it cannot be handed on as it is: mount /proc, or take the name by another");
    return 1;
}
// One program under two names: lib/reheat has it as `as` and as `ld`.
if (Path.GetFileName(Environment.GetCommandLineArgs()[0]) == "ld")
    return Linker.Run(words);

// Stands where a compiler looks for as. Without a list, or with nothing in it for this file, it becomes the real one.
bool isBehind = RealProgram.IsBehind("as");
if (RealProgram.Find("as", Diagnose.Say) is not { } assembler)
{
    Diagnose.Say("no assembler found: install binutils, or name one by REHEAT_AS");
    return 127;
}
byte[]? text = null;
AssemblerCommand? command = null;
try
{
    var settings = Settings.Read(Diagnose.Say);
    if (settings.List.Length > 0 && !isBehind)
    {
        command = AssemblerCommand.Parse(words);
        if (Obstacle(command) is { } obstacle)
            Diagnose.Say($"{command.Output}: {obstacle}: nothing is annotated in it");
        else if (!command.IsQuestion && ListFile.TryOpen(settings.List, out string problem) is var list)
        {
            if (list is null)
                Diagnose.Say(problem);
            else
            {
                text = command.Input is null ? Native.ReadAll(0) : File.ReadAllBytes(command.Input);
                if (new SecondPass(settings, new Toolchain(assembler, command), list).Run(text) is { } code)
                    return code;
            }
        }
    }
}
catch (Exception error) when (text is null && error is IOException or UnauthorizedAccessException)
{
    // as will say it.
}
catch (Exception error)
{
    // A second pass never breaks a build (design, invariant 4), not even by a fault of its own.
    Diagnose.Say($"{command?.Output}: internal fault, nothing is annotated in it: {error}");
}
return Toolchain.Become(assembler, words, command?.Input is null ? text : null);

static string? Obstacle(AssemblerCommand command) => command switch
{
    { IsQuestion: true } => null,
    { HasSeveralInputs: true } => "several input files",
    { HasForeignNames: true } => "a file's name is no UTF-8",
    { Input: { } name } when Native.IsReadOnce(name) => $"{name} can be read only once",
    _ when !Directory.Exists("/proc/self/fd") => "there is no /proc",
    _ => null,
};
