using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Xml.Linq;
using Stint.Cli;
using Stint.Hosting.Configuration;
using Stint.Management;

namespace Stint.Tests.Cli;

/// <summary>Writes docs/cli.md from the command tree.</summary>
internal static class CliReference
{
    /// <summary>The whole page.</summary>
    public static string Markdown(RootCommand root)
    {
        var page = new StringBuilder("""
            # The command line

            <!-- Generated from the command tree: BLESS=1 dotnet test --filter CliReference. Do not edit. -->

            `stint up` runs the platform; every other command speaks to one that runs, over its management API, or helps with functions on disk.

            ## Exit codes

            | code | meaning |
            |---|---|

            """);
        foreach (var (code, meaning) in ExitCode.All) page.Append(CultureInfo.InvariantCulture, $"| {code} | {meaning} |\n");
        page.Append("\n## Options of every command\n\n");
        Table(page, root.Options.Where(option => option.Recursive));
        page.Append("""

            Names, log lines and messages that come from functions are printed without escape sequences and control characters. With `--json` they are complete, escaped as JSON.
            Colours and drawn tables appear only on a terminal; elsewhere a listing is plain columns, one row a line.

            """);
        foreach (var (path, command) in root.Subcommands.SelectMany(command => Tree("", command)))
        {
            if (command.Subcommands.Count > 0)
            {
                page.Append(CultureInfo.InvariantCulture, $"\n## stint {path}\n\n{Text(command.Description)}\n");
                continue;
            }
            var arguments = string.Concat(command.Arguments.Select(argument => " " + Usage(argument)));
            page.Append(CultureInfo.InvariantCulture, $"\n## stint {path}\n\n    stint {path}{arguments}{(command.Options.Any(option => option is not HelpOption) ? " [options]" : "")}\n\n{Text(command.Description)}\n");
            if (command.Arguments.Count > 0)
            {
                page.Append('\n');
                foreach (var argument in command.Arguments) page.Append(CultureInfo.InvariantCulture, $"- `{argument.Name}`: {Text(argument.Description)}\n");
            }
            var options = command.Options.Where(option => option is not HelpOption).ToList();
            if (options.Count == 0) continue;
            page.Append('\n');
            Table(page, options);
            if (Shapes.GetValueOrDefault(path) is { } shapes) Shape(page, shapes);
        }
        return page.ToString();
    }

    private static IEnumerable<(string Path, Command Command)> Tree(string above, Command command) =>
        command.Subcommands.SelectMany(inner => Tree($"{above}{command.Name} ", inner)).Prepend((above + command.Name, command));

    // What --json prints, a command's own type first, then those that it contains.
    private static readonly Dictionary<string, Type[]> Shapes = new()
    {
        ["deploy"] = [typeof(FunctionView), typeof(InstanceCountsView)],
        ["ls"] = [typeof(FunctionListView)],
        ["describe"] = [typeof(FunctionDetailView), typeof(InstanceView)],
        ["top"] = [typeof(TopReport), typeof(TopFunctionReport)],
        ["logs"] = [typeof(LogLineView)],
        ["image ls"] = [typeof(ImageListView), typeof(ImageView)],
        ["wipe"] = [typeof(WipedContainersView), typeof(WipedObjectView)],
        ["doctor"] = [typeof(DoctorView), typeof(DoctorCheckView)],
        ["version"] = [typeof(VersionView)],
    };

    /// <summary>The fields of a command's JSON with the sentences of their XML documentation.</summary>
    private static void Shape(StringBuilder page, Type[] types)
    {
        var documentation = XDocument.Load(Path.Combine(AppContext.BaseDirectory, "stint.xml")).Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);
        page.Append("\nWith `--json`:\n\n| field | type | |\n|---|---|---|\n");
        foreach (var type in types)
        {
            var prefix = type == types[0] ? "" : Inner(types[0], type);
            if (type.BaseType == typeof(FunctionView)) page.Append("| all of `stint deploy --json` | | |\n");
            foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(property => property.GetCustomAttribute<JsonIgnoreAttribute>() is null))
            {
                var member = documentation.GetValueOrDefault($"P:{type.FullName}.{property.Name}")?.Element("summary")
                    ?? documentation.GetValueOrDefault($"T:{type.FullName}")?.Elements("param").FirstOrDefault(param => param.Attribute("name")!.Value == property.Name);
                page.Append(CultureInfo.InvariantCulture, $"| `{prefix}{JsonNamingPolicy.CamelCase.ConvertName(property.Name)}` | {TypeName(property)} | {Sentence(member)} |\n");
            }
        }
    }

    private static string Inner(Type outer, Type inner)
    {
        var property = outer.GetProperties().First(property => property.PropertyType == inner || property.PropertyType.GenericTypeArguments.Contains(inner));
        return JsonNamingPolicy.CamelCase.ConvertName(property.Name) + (property.PropertyType == inner ? "." : "[].");
    }

    private static string TypeName(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var name = Type.GetTypeCode(type) switch
        {
            TypeCode.String => "text",
            TypeCode.Boolean => "true or false",
            TypeCode.Int32 or TypeCode.Int64 or TypeCode.Double => "number",
            _ when type == typeof(DateTimeOffset) => "time",
            _ when type == typeof(IReadOnlyList<string>) => "list of text",
            _ when type.Name.StartsWith("IReadOnlyList", StringComparison.Ordinal) => "list",
            _ => "object",
        };
        return new NullabilityInfoContext().Create(property).ReadState is NullabilityState.Nullable ? name + " or null" : name;
    }

    private static string Sentence(XElement? element)
    {
        foreach (var code in element?.Elements("c").ToList() ?? []) code.ReplaceWith($"`{code.Value}`");
        return element?.Value.Trim() ?? "";
    }

    private static void Table(StringBuilder page, IEnumerable<Option> options)
    {
        page.Append("| option | |\n|---|---|\n");
        foreach (var option in options)
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name).Order(StringComparer.Ordinal).Select(name => $"`{name}`"));
            var value = option is HelpOption || option.ValueType == typeof(bool) ? "" : $" *{Text(option.HelpName ?? "value").Replace("|", "\\|", StringComparison.Ordinal)}*";
            page.Append(CultureInfo.InvariantCulture, $"| {names}{value} | {Text(option.Description)} |\n");
        }
    }

    private static string Usage(Argument argument)
    {
        var name = argument.Name.ToUpperInvariant() + (argument.Arity.MaximumNumberOfValues > 1 ? "…" : "");
        return argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name;
    }

    private static string Text(string? description) => (description ?? "").Replace("<", "&lt;", StringComparison.Ordinal);
}

public sealed class CliReferenceTests
{
    [Fact]
    public void The_page_is_that_of_the_command_tree()
    {
        using var cli = new PlayedCli();
        GoldenFile.CheckPath(Path.Combine(GoldenFile.Repository(), "docs/cli.md"), CliReference.Markdown(CommandLine.Build(cli.Up, cli.Session, new GlobalOptions())));
    }

    [Fact]
    public void Every_command_and_option_has_a_sentence()
    {
        using var cli = new PlayedCli();
        var root = CommandLine.Build(cli.Up, cli.Session, new GlobalOptions());
        foreach (var symbol in root.Subcommands.SelectMany(command => command.Subcommands.Prepend(command)).SelectMany(command => command.Options.Cast<Symbol>().Concat(command.Arguments).Append(command)))
            Assert.True(symbol is HelpOption || symbol.Description?.EndsWith('.') == true, symbol.Name);
    }

    [Fact]
    public void Every_setting_of_the_daemon_has_a_flag()
    {
        using var cli = new PlayedCli();
        var root = CommandLine.Build(cli.Up, cli.Session, new GlobalOptions());
        var flags = root.Subcommands.Single(command => command.Name == "up").Options.Concat(root.Options).Select(option => option.Name).ToHashSet();
        Assert.Empty(DaemonOptionTable.All.Select(setting => setting.Flag).Except(flags));
    }
}
