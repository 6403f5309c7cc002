using System.CommandLine;
using System.Diagnostics;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Agent.Kvm;
using Reheat.Cli.Client;
using Reheat.Cli.Guests;
using Reheat.Cli.Terminal;
using Reheat.V1;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat import kvm</c>: traces that a KVM host recorded.</summary>
internal static class ImportCommand
{
    private static readonly Argument<string> Text = new("FILE") { Description = "The output of `perf script`, `trace-cmd report` or tracefs; - reads a pipe." };

    private static readonly Option<string[]> Images = new("--image")
    {
        Description = "An image that the guest ran; PATH@BIAS if it was not loaded at its link address. May be repeated.",
        HelpName = "PATH[@BIAS]",
        Required = true,
    };

    private static readonly Option<string> Kallsyms = new("--kallsyms")
    {
        Description = "The guest's /proc/kallsyms, read as root: tells where KASLR put its kernel, and where its modules are.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Vmcoreinfo = new("--vmcoreinfo")
    {
        Description = "The text of the guest's vmcoreinfo (KERNELOFFSET=…), as dumps and the note of /proc/kcore have it.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Map = new("--map")
    {
        Description = "What QEMU's monitor prints of the guest at `info mtree -f`, to name its devices. Default: lapic, ioapic and hpet where every PC has them, others are mmio.",
        HelpName = "FILE",
    };

    private static readonly Option<string> WedgeName = new("--wedge")
    {
        Description = "A name for the traced host and guest, unique in the fleet and always the same. Default: this host's name and /kvm.",
        HelpName = "NAME",
    };

    private static readonly Option<string> Guest = new("--guest") { Description = "The guest's name. Default: the first image's.", HelpName = "NAME" };

    private static readonly Option<bool> Force = new("--force") { Description = "Go on though the images do not fit the trace: what is not theirs is counted as outside, or refused later." };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log what the import does." };

    // What was read of a pipe when Ctrl-C comes is delivered within this time.
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    public static Command Create()
    {
        var kvm = new Command("kvm",
            """
            Import the traces of a KVM host: traps by device accesses and page-table writes, joined with their instructions.

            Record on the host, for example with
              perf record -a -e kvm:kvm_exit,kvm:kvm_page_fault,kvm:kvm_emulate_insn,kvm:kvm_mmio,kvm:kvm_fast_mmio -- sleep 60; perf script
              trace-cmd record -e kvm_exit -e kvm_page_fault -e kvm_emulate_insn -e kvm_mmio -e kvm_fast_mmio sleep 60; trace-cmd report

            A text may be imported again, or after an interruption: it goes on where the collector's mark is, and counts nothing twice. A text is known by its
            first 64 KiB, so a pipe that tells the same text again goes on too; what a pipe told once and was not delivered is gone.
            """)
        {
            Text, Images, Kallsyms, Vmcoreinfo, Map, WedgeName, Guest, Force, Verbose, CommonOptions.Json,
        };
        kvm.SetHandler(RunAsync);
        return new Command("import", "Import traces that another system recorded.") { kvm };
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken interrupt)
    {
        List<KernelHints> hints = [];
        if (parsed.GetValue(Kallsyms) is { Length: > 0 } kallsyms)
            hints.Add(KernelHints.OfKallsyms(kallsyms));
        if (parsed.GetValue(Vmcoreinfo) is { Length: > 0 } vmcoreinfo)
            hints.Add(KernelHints.OfVmcoreinfo(vmcoreinfo));
        using PlacedImages images = PlacedImages.Open(parsed.GetValue(Images)!, hints);
        var options = new KvmImportOptions
        {
            Path = parsed.GetValue(Text)!,
            Collector = connection.Collector,
            Wedge = parsed.GetValue(WedgeName) is { Length: > 0 } name ? name : $"{Environment.MachineName}/kvm",
            Guest = parsed.GetValue(Guest) is { Length: > 0 } guest ? guest : images.Images[0].Name,
            Images = images.Images,
            Files = images.Files,
            MemoryMap = parsed.GetValue(Map) is { Length: > 0 } map ? ReadMap(map) : null,
            Force = parsed.GetValue(Force),
        };
        using ILoggerFactory logs = ConsoleLogging.ForAgent(parsed.GetValue(Verbose));
        long start = Stopwatch.GetTimestamp();
        bool interrupted = false;
        KvmImport? opened = null;
        try
        {
            await TellUnregisteredAsync(screen, connection, images, interrupt);
            using KvmImport import = opened = await KvmImport.OpenAsync(options, TimeProvider.System, logs.CreateLogger<KvmImport>(), interrupt);
            interrupted = await StreamAsync(screen, import, interrupt);
            return await ShowAsync(screen, connection, options, import, Stopwatch.GetElapsedTime(start), interrupted);
        }
        catch (AgentException e)
        {
            throw new CommandException(e.IsMisdirected ? ExitCode.BadInput : ExitCode.NotDelivered,
                e.IsMisdirected || opened is null or { IsPipe: true } ? e.Message : $"{e.Message}\n{options.Path} has it all: import it again, and it goes on where this one ended");
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            screen.Say(opened switch
            {
                null => "interrupted before anything was imported",
                { IsPipe: true } => $"interrupted: of {Format.Bytes((ulong)opened.Position)} that the pipe had said, {Format.Bytes((ulong)Math.Max(0, opened.Position - opened.Delivered))} " +
                    $"could not be delivered within {DrainLimit.TotalSeconds:0} seconds and are gone ({opened.Status.Connection})",
                _ => $"interrupted — import {options.Path} again, and it goes on where this one ended",
            });
            return ExitCode.Interrupted;
        }
    }

    /// <summary>Streams all, or what a pipe had said when it was interrupted (true).</summary>
    private static async Task<bool> StreamAsync(Screen screen, KvmImport import, CancellationToken interrupt)
    {
        using var draining = new CancellationTokenSource();
        bool interrupted = false;
        // A file can be read again; of a pipe, what was read is delivered first.
        using CancellationTokenRegistration stop = interrupt.Register(() =>
        {
            interrupted = true;
            if (import.IsPipe)
            {
                import.Stop();
                draining.CancelAfter(DrainLimit);
            }
            else
                draining.Cancel();
        });
        await screen.WithProgressAsync("importing", async report =>
        {
            Task streaming = import.RunAsync(draining.Token);
            while (await Task.WhenAny(streaming, Task.Delay(TimeSpan.FromMilliseconds(200), CancellationToken.None)) != streaming)
            {
                report(import.Length is > 0 and var length ? (double)import.Status.Acknowledged / length : 0,
                    $"{Format.Count(import.Lines, "line")}, {Format.Count(import.Traps, "trap")}{(import.Status.Connection == "connected" ? "" : $" ({import.Status.Connection})")}");
            }
            await streaming;
            return true;
        });
        return interrupted;
    }

    private static async Task<int> ShowAsync(Screen screen, Connection connection, KvmImportOptions options, KvmImport import, TimeSpan took, bool interrupted)
    {
        KvmImportCounts counts = import.Counts;
        AccountingRow? account = await GuestCommand.AccountAsync(screen, connection, options.Wedge, import.Epoch);
        screen.Show(
            new
            {
                options.Wedge,
                Epoch = $"{import.Epoch:x16}",
                counts.Bytes,
                counts.Lines,
                counts.Understood,
                OtherEvents = counts.OtherLines,
                NotUnderstood = counts.NotUnderstoodLines,
                TrapsRecorded = counts.Traps,
                TrapsStored = account?.Stored,
                TrapsDropped = account?.Dropped,
                OutsideImages = account?.OutsideRecorded,
                counts.Unfinished,
                counts.NoAccess,
                EventsLost = counts.Lost,
                counts.Sites,
                BytesImportedBefore = counts.ImportedBefore,
                Seconds = Math.Round(took.TotalSeconds, 2),
                NotUnderstoodKinds = counts.NotUnderstood,
                OtherKinds = counts.Other,
            },
            console =>
            {
                Table table = Screen.Table(("lines", true), ("understood", true), ("other events", true), ("not understood", true), ("traps recorded", true), ("stored", true), ("dropped", true), ("outside images", true), ("sites", true), ("seconds", true));
                table.AddRow(Format.Count(counts.Lines), Format.Count(counts.Understood), Format.Count(counts.OtherLines), Format.Count(counts.NotUnderstoodLines), Format.Count(counts.Traps),
                    Number(account?.Stored), Number(account?.Dropped), Number(account?.OutsideRecorded), Format.Count(counts.Sites), $"{took.TotalSeconds:0.0}");
                console.Write(table);
            });
        foreach (LineKind kind in counts.NotUnderstood)
            screen.Say($"not understood: {Format.Count(kind.Lines, "line")}: {kind.Kind}; line {kind.ExampleLine}: {kind.Example}");
        if (counts.Lost > 0)
            screen.Say($"warning: the recorder lost {Format.Count(counts.Lost, "event")}: the counts are too low (perf record -m, trace-cmd record -b: larger buffers)");
        if (counts.ImportedBefore > 0)
            screen.Say($"{Format.Bytes((ulong)counts.ImportedBefore)} of this text {(counts.ImportedBefore >= counts.Bytes ? "are all that it has, and" : "")} were imported before; they are not counted again");
        if (interrupted)
        {
            screen.Say("interrupted: what the pipe had said until then is delivered");
            return ExitCode.Interrupted;
        }
        if (counts.Traps > counts.Outside)
            return ExitCode.Success;
        screen.Say(counts.Traps == 0
            ? "nothing was recorded: no event tells of a device access or of a page-table write (kvm_mmio, kvm_fast_mmio, kvm_page_fault with kvm_emulate_insn, kvm_exit with reason APIC_ACCESS)"
            : $"all {Format.Count(counts.Outside, "trap")} were by code outside {string.Join(", ", options.Images.Select(i => i.Name).Distinct())}: firmware, user space, or a kernel that KASLR moved — give its place: --image PATH@BIAS, --kallsyms or --vmcoreinfo");
        return ExitCode.NoObservations;

        static string Number(ulong? n) => n is { } known ? Format.Count(known) : "—";
    }

    private static async Task TellUnregisteredAsync(Screen screen, Connection connection, PlacedImages images, CancellationToken cancel)
    {
        foreach (GuestImage image in images.Images.DistinctBy(i => i.BuildId))
        {
            try
            {
                await connection.Builds.GetAsync(new BuildSelector { BuildId = image.BuildId.ToString() }, cancellationToken: cancel);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                screen.Say($"note: no build has {image.Name} (build-id {image.BuildId.Short}) yet: its traps show once it is registered with `reheat builds add`");
            }
        }
    }

    private static string ReadMap(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"--map {path}: {FileFault.Of(e)}");
        }
    }
}
