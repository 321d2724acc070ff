using System.Text;

namespace OzFunctions.Cli.Completion;

/// <summary>Writes the words as a script of each shell. The script knows the whole tree: it calls nothing while a person types.</summary>
internal static class CompletionScripts
{
    public static string Bash(IReadOnlyList<CompletionWord> words)
    {
        var text = new StringBuilder("# bash completion of ozf; put this into ~/.local/share/bash-completion/completions/ozf\n_ozf() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path=ozf i\n");
        text.Append("    for ((i = 1; i < COMP_CWORD; i++)); do\n        [ \"${COMP_WORDS[i]}\" = -- ] && return\n");
        Walk(text, words, "\"$path ${COMP_WORDS[i]}\"", "path=\"$path ${COMP_WORDS[i]}\"", "        ");
        text.Append("    done\n    case \"$prev\" in\n");
        foreach (var (flag, choices) in Choices(words))
        {
            text.Append("        ").Append(flag).Append(") COMPREPLY=($(compgen -W \"").AppendJoin(' ', choices).Append("\" -- \"$cur\")); return ;;\n");
        }

        text.Append("    esac\n    case \"$path\" in\n");
        foreach (var path in words.GroupBy(word => word.Path))
        {
            text.Append("        \"").Append(path.Key).Append("\") COMPREPLY=($(compgen -W \"").AppendJoin(' ', path.Select(word => word.Word)).Append("\" -- \"$cur\")) ;;\n");
        }

        return text.Append("    esac\n}\ncomplete -o default -F _ozf ozf\n").ToString();
    }

    public static string Zsh(IReadOnlyList<CompletionWord> words)
    {
        var text = new StringBuilder("#compdef ozf\n# zsh completion of ozf; put this into a directory of $fpath as _ozf\n_ozf() {\n    local path_=ozf i\n    local -a found\n");
        text.Append("    for ((i = 2; i < CURRENT; i++)); do\n        [[ ${words[i]} == -- ]] && return\n");
        Walk(text, words, "\"$path_ ${words[i]}\"", "path_=\"$path_ ${words[i]}\"", "        ");
        text.Append("    done\n    case \"${words[CURRENT-1]}\" in\n");
        foreach (var (flag, choices) in Choices(words))
        {
            text.Append("        ").Append(flag).Append(") compadd ").AppendJoin(' ', choices).Append("; return ;;\n");
        }

        text.Append("    esac\n    case \"$path_\" in\n");
        foreach (var path in words.GroupBy(word => word.Path))
        {
            text.Append("        \"").Append(path.Key).Append("\") found=(").AppendJoin(' ', path.Select(word => $"'{word.Word}:{word.Description.Replace(":", "\\:", StringComparison.Ordinal)}'")).Append(") ;;\n");
        }

        return text.Append("    esac\n    _describe ozf found\n    _files\n}\nif [ \"$funcstack[1]\" = _ozf ]; then _ozf; else compdef _ozf ozf; fi\n").ToString();
    }

    public static string Fish(IReadOnlyList<CompletionWord> words)
    {
        var text = new StringBuilder("# fish completion of ozf; put this into ~/.config/fish/completions/ozf.fish\nfunction __ozf_at\n    set -l path ozf\n    for word in (commandline -opc)[2..-1]\n        switch \"$path $word\"\n");
        text.Append("            case ").AppendJoin(' ', words.Where(word => word.IsCommand).Select(word => $"'{word.Path} {word.Word}'")).Append("\n                set path \"$path $word\"\n        end\n    end\n    test \"$path\" = \"$argv[1]\"\nend\n");
        foreach (var word in words)
        {
            text.Append("complete -c ozf -n \"__ozf_at '").Append(word.Path).Append("'\" ");
            if (word.IsCommand)
            {
                text.Append("-f -a ").Append(word.Word);
            }
            else
            {
                text.Append("-l ").Append(word.Word.TrimStart('-')).Append(word.TakesValue ? " -r" : "");
                text.Append(word.Choices.Count > 0 ? $" -f -a '{string.Join(' ', word.Choices)}'" : "");
            }

            text.Append(" -d '").Append(word.Description).Append("'\n");
        }

        return text.ToString();
    }

    private static void Walk(StringBuilder text, IReadOnlyList<CompletionWord> words, string subject, string step, string indent)
    {
        text.Append(indent).Append("case ").Append(subject).Append(" in\n").Append(indent).Append("    ");
        text.AppendJoin('|', words.Where(word => word.IsCommand).Select(word => $"\"{word.Path} {word.Word}\"")).Append(") ").Append(step).Append(" ;;\n").Append(indent).Append("esac\n");
    }

    private static IEnumerable<(string Flag, IReadOnlyList<string> Choices)> Choices(IReadOnlyList<CompletionWord> words) =>
        words.Where(word => word.Choices.Count > 0).GroupBy(word => word.Word).Select(group => (group.Key, (IReadOnlyList<string>)[.. group.SelectMany(word => word.Choices).Distinct()]));
}
