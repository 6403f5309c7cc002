using System.Text.Json;
using Spectre.Console;

namespace Reheat.Cli.Terminal;

/// <summary>
/// What a command shows. Results go to standard output, as tables or, with <c>--json</c>, as one JSON document; progress and messages go
/// to standard error, and progress only if that is a terminal.
/// </summary>
internal sealed class Screen
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    // Wide enough for a table in a log file or a pipe, where no terminal says how wide it is.
    private const int PipeWidth = 160;

    private readonly TextWriter _messages = Console.Error;

    public Screen(bool json)
    {
        IsJson = json;
        Out = Open(Console.Out, Console.IsOutputRedirected);
        Error = Open(Console.Error, Console.IsErrorRedirected);
        IsInteractive = !Console.IsErrorRedirected;
    }

    /// <summary>Standard output.</summary>
    public IAnsiConsole Out { get; }

    /// <summary>Standard error.</summary>
    public IAnsiConsole Error { get; }

    /// <summary>True if results are JSON.</summary>
    public bool IsJson { get; }

    /// <summary>True if a person watches.</summary>
    public bool IsInteractive { get; }

    /// <summary>A message for the person, not a result; a line however long it is, as it may hold a command to copy.</summary>
    public void Say(string message) => _messages.WriteLine(message);

    /// <summary>A result as JSON, or drawn.</summary>
    public void Show<T>(T result, Action<IAnsiConsole> draw)
    {
        if (IsJson)
            Console.Out.WriteLine(JsonSerializer.Serialize(result, Json));
        else
            draw(Out);
    }

    /// <summary>Runs long work behind a progress bar; without one when nobody watches. The work reports a fraction 0 to 1 and a text.</summary>
    public async Task<T> WithProgressAsync<T>(string title, Func<Action<double, string>, Task<T>> work)
    {
        if (!IsInteractive)
            return await work((_, _) => { });
        return await Error.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new SpinnerColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                return await work((fraction, text) =>
                {
                    task.Value = Math.Clamp(fraction, 0, 1);
                    task.Description = Markup.Escape(text);
                });
            });
    }

    private static IAnsiConsole Open(TextWriter writer, bool redirected)
    {
        // Neither colours nor cursor movements in a pipe or a file, whatever TERM says.
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = redirected ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = redirected ? InteractionSupport.No : InteractionSupport.Detect,
        });
        if (redirected)
            console.Profile.Width = PipeWidth;
        return console;
    }

    /// <summary>An empty table in the house's look.</summary>
    public static Table Table(params (string Title, bool Right)[] columns) => new(columns);
}
