using System.CommandLine;
using System.Globalization;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.Core.Annotations;
using Reheat.Core.X86;
using Reheat.V1;
using AnnotationList = Reheat.Core.Annotations.AnnotationList;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat annotations diff</c>.</summary>
internal static class AnnotationsDiffCommand
{
    private static readonly Argument<string> Before = new("A") { Description = "A file, or a build by its number or series: then its newest list." };

    private static readonly Argument<string> After = new("B") { Description = "The same." };

    private static readonly Option<bool> WithExitCode = new("--exit-code") { Description = "Exit with 20 if the lists differ." };

    public static Command Create()
    {
        var diff = new Command("diff", "What list B adds to list A, removes and changes.") { Before, After, WithExitCode, CommonOptions.Json };
        diff.SetHandler(RunAsync);
        return diff;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        AnnotationList before = await ReadAsync(parsed.GetValue(Before)!, connection, cancel);
        AnnotationList after = await ReadAsync(parsed.GetValue(After)!, connection, cancel);
        AnnotationListDifference difference = AnnotationListDifference.Between(before, after);
        bool same = before.BodyHash() == after.BodyHash();
        screen.Show(
            new
            {
                Same = same,
                PolicyBefore = before.Policy.ToString(),
                PolicyAfter = after.Policy.ToString(),
                Added = difference.Added.Select(View),
                Removed = difference.Removed.Select(View),
                Changed = difference.Changed.Select(View),
            },
            _ => Draw(before, after, difference, same));
        return !same && parsed.GetValue(WithExitCode) ? ExitCode.Differ : ExitCode.Success;
    }

    private static async Task<AnnotationList> ReadAsync(string name, Connection connection, CancellationToken cancel)
    {
        if (File.Exists(name))
            return ListFile.Parse(ListFile.Text(name), name);
        var build = long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? new BuildSelector { Build = number } : new BuildSelector { Series = name };
        V1.AnnotationList list = await connection.Annotations.PullAsync(new PullRequest { Build = build }, cancellationToken: cancel);
        return ListFile.Parse(list.Body, $"list {list.Version} of build {list.Build}");
    }

    // To the output as it is: it is read by people and by tools that know diff, not fitted into a table.
    private static void Draw(AnnotationList before, AnnotationList after, AnnotationListDifference difference, bool same)
    {
        if (same)
        {
            Console.Out.WriteLine($"the same list: {before.Count} sites, {before.BodyHash()}");
            return;
        }
        if (before.Policy != after.Policy)
            Console.Out.WriteLine($"policy\n- {before.Policy}\n+ {after.Policy}");
        string place = "";
        foreach (SiteDifference site in difference.Added.Concat(difference.Removed).Concat(difference.Changed)
            .OrderBy(d => d.Unit, StringComparer.Ordinal).ThenBy(d => d.Function, StringComparer.Ordinal).ThenBy(d => (d.Before ?? d.After)!.Value.Site.Ordinal))
        {
            if (place != (place = $"{site.Unit}: {site.Function}"))
                Console.Out.WriteLine(place);
            if (site.Before is { } old)
                Console.Out.WriteLine($"- {Line(old.Site)}{(site.After is { } now && now.Fingerprint != old.Fingerprint ? $"   ({old.Fingerprint})" : "")}");
            if (site.After is { } added)
                Console.Out.WriteLine($"+ {Line(added.Site)}{(site.Before is { } was && was.Fingerprint != added.Fingerprint ? $"   ({added.Fingerprint})" : "")}");
        }
        Console.Out.WriteLine($"{difference.Added.Count} added, {difference.Removed.Count} removed, {difference.Changed.Count} changed");
    }

    private static string Line(Annotation site)
    {
        string standing = site.Standing == Standing.Listed ? "" : site.Standing.ToString().ToLowerInvariant() + " ";
        string ordinal = site.Ordinal == Annotation.EveryOrdinal ? "*" : site.Ordinal.ToString(CultureInfo.InvariantCulture);
        string accesses = string.Concat(site.Accesses.Select(a => $" {Core.OperationNames.Name(a.Operation)}:{a.Size}:{a.Target}"));
        return $"{standing}{ordinal}{accesses}{(site.Instruction.Length > 0 ? $" | {site.Instruction}" : "")}";
    }

    private static object View(SiteDifference difference) => new
    {
        difference.Unit,
        difference.Function,
        Before = View(difference.Before),
        After = View(difference.After),
    };

    private static object? View((Fingerprint Fingerprint, Annotation Site)? side) => side is not { } s ? null : new
    {
        Fingerprint = s.Fingerprint.ToString(),
        s.Site.Ordinal,
        s.Site.Instruction,
        Accesses = s.Site.Accesses.Select(a => $"{Core.OperationNames.Name(a.Operation)}:{a.Size}:{a.Target}"),
        Standing = s.Site.Standing.ToString().ToLowerInvariant(),
    };
}
