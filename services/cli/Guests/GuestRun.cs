using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Agent.Machine;

namespace Reheat.Cli.Guests;

/// <summary>Why a guest's run ended.</summary>
internal enum GuestEnd
{
    /// <summary>QEMU ended by itself or because the guest powered off.</summary>
    Ended,

    /// <summary>The time limit was reached.</summary>
    TimeLimit,

    /// <summary>The user interrupted it.</summary>
    Interrupted,
}

/// <summary>
/// Runs QEMU under the wedge and its agent beside it. However the run ends, the memory map is read once more while QEMU still answers, QEMU
/// is ended in order, and the agent delivers what is in the rings.
/// </summary>
internal sealed class GuestRun(QemuCommand qemu, WedgeAgent agent, string? console, SelftestFile? selftest, ILogger log)
{
    private static readonly TimeSpan OrderlyEnd = TimeSpan.FromSeconds(10);

    // A terminal's Ctrl-C goes to QEMU as it goes to this process, and QEMU may be first: how long the news of it may take to come here.
    private static readonly TimeSpan SignalMayFollow = TimeSpan.FromSeconds(2);

    private volatile string _shutdown = "";

    /// <summary>QEMU's exit code; -1 if it was killed.</summary>
    public int ExitCode { get; private set; }

    /// <summary>Runs until QEMU has ended; the agent goes on.</summary>
    /// <exception cref="CommandException">QEMU cannot be started.</exception>
    public async Task<GuestEnd> RunAsync(TimeSpan limit, CancellationToken interrupt)
    {
        await using FileStream? output = OpenConsole();
        using Process process = Start();
        GuestEnd end = GuestEnd.Ended;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        if (limit > TimeSpan.Zero)
            stop.CancelAfter(limit);
        Task exited = process.WaitForExitAsync(CancellationToken.None);
        Task copying = output is null ? Task.CompletedTask : process.StandardOutput.BaseStream.CopyToAsync(output, CancellationToken.None);
        QmpClient? control = await ConnectAsync(exited);
        try
        {
            Task powerOff = control is null ? Task.Delay(Timeout.Infinite, CancellationToken.None) : WaitForShutdownAsync(control);
            Task stopped = Task.Delay(Timeout.Infinite, stop.Token);
            Task first = await Task.WhenAny(exited, powerOff, stopped);
            if (first == stopped)
                end = interrupt.IsCancellationRequested ? GuestEnd.Interrupted : GuestEnd.TimeLimit;
            if (first != exited && control is not null)
                await Task.WhenAny(EndInOrderAsync(control, exited), Task.Delay(2 * OrderlyEnd, CancellationToken.None));
            if (!exited.IsCompleted && await Task.WhenAny(exited, Task.Delay(OrderlyEnd, CancellationToken.None)) != exited)
                process.Kill();
            await exited;
            await copying;
            ExitCode = process.ExitCode;
            if (end == GuestEnd.Ended && !_shutdown.StartsWith("guest", StringComparison.Ordinal) && await InterruptedAsync(interrupt))
                end = GuestEnd.Interrupted;
            return end;
        }
        finally
        {
            agent.WedgeEnded();
            if (control is not null)
                await control.DisposeAsync();
        }
    }

    /// <summary>Whether it was the user's signal that ended QEMU.</summary>
    private async Task<bool> InterruptedAsync(CancellationToken interrupt)
    {
        // QEMU says so if it was a signal; one that ended before its monitor answered says nothing.
        TimeSpan wait = _shutdown == "host-signal" ? SignalMayFollow : _shutdown.Length == 0 && ExitCode == 0 ? SignalMayFollow / 10 : TimeSpan.Zero;
        await Task.Delay(wait, interrupt).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return interrupt.IsCancellationRequested;
    }

    private Process Start()
    {
        var start = new ProcessStartInfo(qemu.Program) { RedirectStandardOutput = console is not null, RedirectStandardInput = console is not null };
        foreach (string argument in qemu.Arguments)
            start.ArgumentList.Add(argument);
        try
        {
            Process process = Process.Start(start)!;
            if (console is not null)
                process.StandardInput.Close();
            return process;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            agent.WedgeEnded();
            throw new CommandException(Cli.ExitCode.GuestFailed, $"cannot start {qemu.Program}: {e.Message} — apt-get install qemu-system-x86, or name the program after --");
        }
    }

    private FileStream? OpenConsole()
    {
        try
        {
            return console is null ? null : File.Create(console);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            agent.WedgeEnded();
            throw new CommandException(Cli.ExitCode.Usage, $"--console {console}: {Client.FileFault.Of(e)}");
        }
    }

    /// <summary>The control monitor, or null if QEMU ended before it answered.</summary>
    private async Task<QmpClient?> ConnectAsync(Task exited)
    {
        while (!exited.IsCompleted)
        {
            try
            {
                return await QmpClient.ConnectAsync(qemu.ControlMonitor, TimeProvider.System, CancellationToken.None);
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                await Task.WhenAny(exited, Task.Delay(TimeSpan.FromMilliseconds(20)));
            }
        }
        return null;
    }

    private async Task WaitForShutdownAsync(QmpClient control)
    {
        await foreach ((string name, string reason) in control.Events.ReadAllAsync())
        {
            if (name != "SHUTDOWN")
                continue;
            _shutdown = reason;
            if (!qemu.StaysAfterShutdown)
                return;
        }
        await Task.Delay(Timeout.Infinite, CancellationToken.None); // the connection ended: wait for the process
    }

    private async Task EndInOrderAsync(QmpClient control, Task exited)
    {
        try
        {
            await control.ExecuteAsync("stop", null, CancellationToken.None);
            await Task.WhenAny(agent.ReadMapAsync(CancellationToken.None), exited, Task.Delay(OrderlyEnd));
            if (selftest is not null)
                await selftest.WriteAsync(control, CancellationToken.None);
            await control.ExecuteAsync("quit", null, CancellationToken.None);
        }
        catch (IOException e)
        {
            Log.MonitorEnded(log, e.Message);
        }
    }
}
