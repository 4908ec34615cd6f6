using System.CommandLine;

namespace Stint.Cli;

/// <summary>
/// <c>stint completion SHELL</c>: a script for the shell's start-up file. The scripts know nothing of the commands: they ask the program itself, through
/// System.CommandLine's <c>[suggest:POSITION]</c> directive, with the line up to the cursor and without its first word.
/// </summary>
internal static class CompletionCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("completion", "Print a completion script. For bash: source <(stint completion bash), in ~/.bashrc to keep it.");
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        command.Arguments.Add(shell);
        command.SetAction(parsed =>
        {
            session.Out.Write(parsed.GetRequiredValue(shell) switch
            {
                "zsh" => Zsh,
                "fish" => Fish,
                _ => Bash,
            });
            return ExitCode.Done;
        });
        return command;
    }

    // Candidates are matched again in the shell: the directive also returns those that merely contain the word.
    private const string Bash = """
        # bash completion of stint
        _stint() {
            local line="${COMP_LINE:0:COMP_POINT}" word="${COMP_LINE:0:COMP_POINT}"
            word="${word##*[[:space:]]}"
            line="${line#"${line%%[![:space:]]*}"}"
            line="${line#"${COMP_WORDS[0]}"}"
            line="${line#"${line%%[![:space:]]*}"}"
            local candidate
            COMPREPLY=()
            while IFS= read -r candidate; do
                [[ $candidate == "$word"* ]] && COMPREPLY+=("$candidate")
            done < <("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)
        }
        complete -o default -F _stint stint

        """;

    private const string Zsh = """
        #compdef stint
        # zsh completion of stint
        _stint() {
            local line="${LBUFFER#"${words[1]}"}"
            line="${line#"${line%%[![:space:]]*}"}"
            local -a candidates
            candidates=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            candidates=(${candidates:#})
            compadd -a candidates || _files
        }
        compdef _stint stint

        """;

    private const string Fish = """
        # fish completion of stint
        function __stint_complete
            set -l line (commandline -cp | string replace -r '^\s*\S+\s*' '')
            stint "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c stint -a '(__stint_complete)'

        """;
}
