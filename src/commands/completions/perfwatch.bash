
# Completes names, also after a comma in a list.
_perfwatch_listed() {
    local list=$1 cur=$2 head= name word i of=()
    case $list in
        phases | tags)
            for ((i = 2; i < COMP_CWORD; i++)); do
                word=${COMP_WORDS[i]}
                [[ -d $word ]] && of+=(--of "$word")
            done
            ;;
        *)
            if [[ $cur == *,* ]]; then
                head=${cur%,*},
                cur=${cur##*,}
            fi
            [[ $list == collectors && $cur == [+-]* ]] && head+=${cur:0:1} && cur=${cur:1}
            compopt -o nospace 2> /dev/null
            ;;
    esac
    cur=${cur#[\'\"]}
    COMPREPLY=()
    while IFS= read -r name; do
        [[ $name == "$cur"* ]] && COMPREPLY+=("$head$(printf %q "$name")")
    done < <("${COMP_WORDS[0]/#\~/$HOME}" completions --list "$list" "${of[@]}" 2> /dev/null)
}

_perfwatch_files() {
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

# Does this option take a value?
_perfwatch_takes_value() {
    case $1:$2 in
@VALUES@    esac
    return 1
}

_perfwatch_or_command() {
    local i cur=$2 option=$3 command= list=
    for ((i = 1; i < COMP_CWORD; i++)); do
        # After `--` comes another command, with its own completions.
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            if declare -F _comp_command_offset > /dev/null; then
                _comp_command_offset $((i + 1))
            elif declare -F _command_offset > /dev/null; then
                _command_offset $((i + 1))
            elif ((COMP_CWORD == i + 1)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$cur")
            else
                _perfwatch_files -f "$cur"
            fi
            return
        fi
        if [[ -z $command && ${COMP_WORDS[i]} != -* && ${COMP_WORDS[i-1]} != --config ]]; then
            command=${COMP_WORDS[i]}
        fi
    done
    # Bash splits `--option=value` into three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $option == = ]]; then
        option=${COMP_WORDS[COMP_CWORD-2]}
    fi
    case $command:$option in
@LISTED@        report:--csv | export:-o | export:--output | export:--pack) _perfwatch_files -f "$cur"; return ;;
        *:--config | *:--summary | *:--perf-path) _perfwatch_files -f "$cur"; return ;;
        record:-o | *:--output | *:--recording | mark:-r | *:--dir | *:--proc-root | *:--sys-root)
            _perfwatch_files -d "$cur"
            return
            ;;
    esac
    if [[ -z $list && $cur != -* ]] && ! _perfwatch_takes_value "$command" "$option"; then
        case $command in
            report | export | info | annotate | recover | compact | verify) _perfwatch_files -d "$cur"; return ;;
            schema) list=tables ;;
            events) list=events ;;
            config | man) [[ $option == "$command" ]] && mapfile -t COMPREPLY < <(compgen -W "@COMMANDS@" -- "$cur") && return ;;
        esac
    fi
    if [[ -n $list ]]; then
        _perfwatch_listed "$list" "$cur"
        return
    fi
    _perfwatch "$@"
    # The result if clap's function has no completion.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == "$cur" && $cur != -* ]] && COMPREPLY=()
    for i in "${!COMPREPLY[@]}"; do
        [[ ${COMPREPLY[i]} == [\<\[]* ]] && unset "COMPREPLY[i]"
    done
    COMPREPLY=("${COMPREPLY[@]}")
}
complete -F _perfwatch_or_command -o nosort perfwatch 2> /dev/null || complete -F _perfwatch_or_command perfwatch
