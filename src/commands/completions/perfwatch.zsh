
# Completes names of tables, metrics, collectors and events, and names from the recordings on the command line.
_perfwatch_names() {
    local -a of
    local word
    for word in ${words[2,-1]}; do
        [[ -d $word ]] && of+=(--of $word)
    done
    reply=("${(@f)$(perfwatch completions --list $1 $of 2> /dev/null)}")
}
_perfwatch_one() {
    local -a reply
    _perfwatch_names $1
    compadd -a reply
}
# Several names separated by commas.
_perfwatch_some() {
    local -a reply
    _perfwatch_names $1
    [[ $1 == collectors ]] && compset -P '*[+-]'
    compset -P '*,'
    compset -S ',*'
    compadd -S '' -a reply
}

