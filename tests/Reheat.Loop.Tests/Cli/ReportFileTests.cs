using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

/// <summary>The report of a second pass: one thing in it that cannot be used costs nothing else.</summary>
public sealed class ReportFileTests
{
    private const string Good = """{"unit":"a.c","function":"f","ordinal":3,"instruction":"mov","state":"annotated"}""";

    [Fact]
    public void Refused_sensitive_instructions_cost_no_other_site()
    {
        string refused = """{"unit":"a.c","function":"f","ordinal":-1,"instruction":"cli","operations":["sensitive:0:cli"],"state":"refused","refusal":"noinstr"}""";
        (IReadOnlyList<SecondPassSite> sites, IReadOnlyList<Diagnostic> diagnostics) = SecondPassReportFile.Read([Line(Good, refused)], "report");
        Assert.Empty(diagnostics);
        Assert.Equal([("f", 3u, SecondPassState.Annotated)], sites.Select(s => (s.Function, s.Ordinal, s.State)));
    }

    [Theory]
    [InlineData("""{"unit":"a.c","function":"f","ordinal":"x","state":"refused"}""")]
    [InlineData("""{"unit":"a.c","function":"f","state":"refused"}""")]
    [InlineData("""{"unit":"a.c","function":"f","ordinal":1,"state":"strange"}""")]
    [InlineData("7")]
    public void A_site_that_cannot_be_read_costs_itself_alone(string bad)
    {
        (IReadOnlyList<SecondPassSite> sites, IReadOnlyList<Diagnostic> diagnostics) = SecondPassReportFile.Read([Line(bad, Good)], "report");
        Diagnostic diagnostic = Assert.Single(diagnostics);
        Assert.Equal((DiagnosticId.ReportBadLine, "report:1"), (diagnostic.Id, diagnostic.Place));
        Assert.Contains(bad, diagnostic.ToString(), StringComparison.Ordinal);
        Assert.Equal(3u, Assert.Single(sites).Ordinal);
    }

    private static string Line(params string[] sites) => $$"""{"reheat":1,"path":"/b/a.o","unit":"a.c","sites":[{{string.Join(',', sites)}}]}""";
}
