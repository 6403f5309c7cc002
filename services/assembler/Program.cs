using Reheat.Assembler;
using Reheat.Assembler.Ld;
using Reheat.Assembler.Matching;

// One program under two names: lib/reheat has it as `as` and as `ld`.
if (Path.GetFileName(Environment.GetCommandLineArgs()[0]) == "ld")
    return Linker.Run(args);

// Stands where a compiler looks for as. Without a list, or with nothing in it for this file, it becomes the real one.
var settings = Settings.Read(Diagnose.Say);
if (RealAssembler.Find(settings) is not { } assembler)
{
    Diagnose.Say("no assembler found: install binutils, or name one by REHEAT_AS");
    return 127;
}
AssemblerCommand command = AssemblerCommand.Parse(args);
var toolchain = new Toolchain(assembler, command);
if (settings.List.Length == 0 || command.IsQuestion)
    return toolchain.Become(null);
if (command.HasSeveralInputs)
{
    Diagnose.Say($"several input files ({command.Output}): nothing is annotated in them");
    return toolchain.Become(null);
}
if (ListFile.TryOpen(settings.List, out string problem) is not { } list)
{
    Diagnose.Say(problem);
    return toolchain.Become(null);
}

byte[]? text = null;
try
{
    text = command.Input is null ? Native.ReadAll(0) : File.ReadAllBytes(command.Input);
    if (new SecondPass(settings, toolchain, list).Run(text) is { } code)
        return code;
}
catch (Exception error) when (text is null && error is IOException or UnauthorizedAccessException)
{
    // as will say it.
}
catch (Exception error)
{
    // A second pass never breaks a build (design, invariant 4), not even by a fault of its own.
    Diagnose.Say($"{command.Output}: internal fault, nothing is annotated in it: {error}");
}
return toolchain.Become(text);
