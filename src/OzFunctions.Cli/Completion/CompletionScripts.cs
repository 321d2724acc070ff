using System.Text;

namespace OzFunctions.Cli.Completion;

/// <summary>Writes the words as a script of each shell. The script knows the whole tree: it calls nothing while a person types.</summary>
internal static class CompletionScripts
{
    public static string Bash(IReadOnlyList<CompletionWord> words)
    {
        var text = new StringBuilder("# bash completion of ozf; put this into ~/.local/share/bash-completion/completions/ozf\n_ozf() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path=ozf i\n");
        text.Append("    for ((i = 1; i < COMP_CWORD; i++)); do\n        [ \"${COMP_WORDS[i]}\" = -- ] && return\n");
        Cases(text, words, "path", "${COMP_WORDS[i]}", "$prev", Offer, path => Offer(path.Select(word => word.Word)));
        return text.Append("}\ncomplete -o default -F _ozf ozf\n").ToString();

        static string Offer(IEnumerable<string> choices) => $"COMPREPLY=($(compgen -W \"{string.Join(' ', choices)}\" -- \"$cur\"))";
    }

    public static string Zsh(IReadOnlyList<CompletionWord> words)
    {
        var text = new StringBuilder("#compdef ozf\n# zsh completion of ozf; put this into a directory of $fpath as _ozf\n_ozf() {\n    local path_=ozf i\n    local -a found\n");
        text.Append("    for ((i = 2; i < CURRENT; i++)); do\n        [[ ${words[i]} == -- ]] && return\n");
        Cases(
            text, words, "path_", "${words[i]}", "${words[CURRENT-1]}",
            choices => "compadd " + string.Join(' ', choices),
            path => $"found=({string.Join(' ', path.Select(word => $"'{word.Word}:{word.Description.Replace(":", "\\:", StringComparison.Ordinal)}'"))})");
        return text.Append("    _describe ozf found\n    _files\n}\nif [ \"$funcstack[1]\" = _ozf ]; then _ozf; else compdef _ozf ozf; fi\n").ToString();
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

    /// <summary>What bash and zsh have in common: which command the line has come to, what may follow a flag, and what may follow the command.</summary>
    private static void Cases(
        StringBuilder text,
        IReadOnlyList<CompletionWord> words,
        string path,
        string word,
        string previous,
        Func<IEnumerable<string>, string> offerChoices,
        Func<IEnumerable<CompletionWord>, string> offerWords)
    {
        text.Append("        case \"$").Append(path).Append(' ').Append(word).Append("\" in\n            ").AppendJoin('|', words.Where(one => one.IsCommand).Select(one => $"\"{one.Path} {one.Word}\""));
        text.Append(") ").Append(path).Append("=\"$").Append(path).Append(' ').Append(word).Append("\" ;;\n        esac\n    done\n    case \"").Append(previous).Append("\" in\n");
        foreach (var (flag, choices) in Choices(words))
        {
            text.Append("        ").Append(flag).Append(") ").Append(offerChoices(choices)).Append("; return ;;\n");
        }

        text.Append("    esac\n    case \"$").Append(path).Append("\" in\n");
        foreach (var group in words.GroupBy(one => one.Path))
        {
            text.Append("        \"").Append(group.Key).Append("\") ").Append(offerWords(group)).Append(" ;;\n");
        }

        text.Append("    esac\n");
    }

    private static IEnumerable<(string Flag, IReadOnlyList<string> Choices)> Choices(IReadOnlyList<CompletionWord> words) =>
        words.Where(word => word.Choices.Count > 0).GroupBy(word => word.Word).Select(group => (group.Key, (IReadOnlyList<string>)[.. group.SelectMany(word => word.Choices).Distinct()]));
}
