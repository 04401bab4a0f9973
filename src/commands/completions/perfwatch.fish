
# Completes names of tables, metrics, collectors and events, and names from the recordings on the command line.
function __perfwatch_one
    set -l of
    for word in (commandline -opc)[2..]
        test -d $word; and set -a of --of $word
    end
    perfwatch completions --list $argv[1] $of 2>/dev/null
end
# Several names separated by commas, with the signs of --collectors.
function __perfwatch_some
    set -l before (string match -r '^(?:.*,)?[+-]?' -- (commandline -ct | string replace -r '^--[a-z-]+=' ''))
    for name in (__perfwatch_one $argv[1])
        echo "$before$name"
    end
end
complete -c perfwatch -n "__fish_perfwatch_using_subcommand report export info annotate recover compact verify" -f -a "(__fish_complete_directories)"
complete -c perfwatch -n "__fish_perfwatch_using_subcommand record ab mark doctor schema events config completions man" -f
# After `--` comes another command.
complete -c perfwatch -n "contains -- -- (commandline -opc)" -x -a "(__fish_complete_subcommand --commandline (string split -m1 -f2 -- ' -- ' (commandline -cp)))"
