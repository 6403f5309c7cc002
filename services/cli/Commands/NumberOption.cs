using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Reheat.Cli.Commands;

/// <summary>Options whose value is a number: what is none, or not in the range, is told in the same words everywhere.</summary>
internal static class NumberOption
{
    /// <summary>Seconds; 0 where nothing is given, unless <paramref name="otherwise"/> says more.</summary>
    public static Option<double> Seconds(string name, string description, double otherwise = 0)
    {
        Option<double> option = Create(name, "SECONDS", description, 0d, 1_000_000d);
        if (otherwise != 0)
            option.DefaultValueFactory = _ => otherwise;
        return option;
    }

    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static Option<T> Create<T>(string name, string helpName, string description, T least, T most, params string[] aliases)
        where T : struct, INumber<T>
    {
        var option = new Option<T>(name, aliases) { Description = description, HelpName = helpName };
        option.CustomParser = result =>
        {
            if (T.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out T number) && number >= least && number <= most)
                return number;
            result.AddError(Expected(name, result.Tokens[0].Value, least, most));
            return default;
        };
        return option;
    }

    /// <summary>The same, null where nothing is given.</summary>
    public static Option<double?> Optional(string name, string helpName, string description, double least, double most) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result =>
        {
            if (double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number >= least && number <= most)
                return number;
            result.AddError(Expected(name, result.Tokens[0].Value, least, most));
            return null;
        },
    };

    private static string Expected<T>(string name, string value, T least, T most) where T : INumber<T> =>
        string.Create(CultureInfo.InvariantCulture, $"{name} {value}: expected a number {(most > T.CreateSaturating(1L << 40) ? $"from {least:N0} up" : $"from {least:N0} to {most:N0}")}");
}
