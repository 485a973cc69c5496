import { Argument, type Command } from 'commander'
import { type Adder, local } from './context.ts'

/** Shell completion, generated from the commands themselves. */

const SHELLS = { bash, zsh, fish }

export const completionCommand: Adder = (program, context) =>
  local(
    {
      name: 'completion',
      about: 'Print a script that completes commands and options in a shell.',
      argument: new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)),
      examples: [
        'source <(cmb completion bash)',
        'cmb completion fish > ~/.config/fish/completions/cmb.fish',
      ],
    },
    ({ args: [shell = ''] }) =>
      context.terminal.out(SHELLS[shell as keyof typeof SHELLS](tableOf(program))),
  )(program, context)

/**
 * The words that may follow each command: its subcommands and options. `at` is the command without
 * `cmb`.
 */
type Table = { at: string; words: string[] }[]

function tableOf(command: Command, path: string[] = []): Table {
  const help = command.createHelp()
  const commands = help.visibleCommands(command).filter((one) => one.name() !== 'help')
  help.showGlobalOptions = true
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].flatMap(
    ({ long }) => long ?? [],
  )
  const own = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])
  const words = [...new Set([...commands.map((one) => one.name()), ...own, ...options])].filter(
    (word) => word !== '--version' || path.length === 0,
  )
  return [
    { at: path.join(' '), words },
    ...commands.flatMap((one) => tableOf(one, [...path, one.name()])),
  ]
}

/**
 * Returns the case branches for bash and zsh. Words have only letters, digits and hyphens, so they
 * need no escaping.
 */
const cases = (table: Table): string =>
  table.map(({ at, words }) => `    '${at}') printf '%s\\n' '${words.join(' ')}' ;;\n`).join('')

function bash(table: Table): string {
  return `# Completion of cmb for bash: source <(cmb completion bash)
_cmb_words() {
  case "$1" in
${cases(table)}  esac
}
_cmb() {
  local word at=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " $(_cmb_words "$at") " in
      *" $word "*) case "$word" in -*) ;; *) at="\${at:+$at }$word" ;; esac ;;
    esac
  done
  COMPREPLY=($(compgen -W "$(_cmb_words "$at")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _cmb cmb
`
}

function zsh(table: Table): string {
  return `#compdef cmb
# Completion of cmb for zsh: source <(cmb completion zsh), after compinit
_cmb_words() {
  case "$1" in
${cases(table)}  esac
}
_cmb() {
  local word at=''
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case " $(_cmb_words "$at") " in
      *" $word "*) case "$word" in -*) ;; *) at="\${at:+$at }$word" ;; esac ;;
    esac
  done
  found=(\${=$(_cmb_words "$at")})
  compadd -a found || _files
}
compdef _cmb cmb
`
}

function fish(table: Table): string {
  return `# Completion of cmb for fish: cmb completion fish > ~/.config/fish/completions/cmb.fish
function __cmb_table
    switch "$argv[1]"
${table.map(({ at, words }) => `        case '${at}'\n            printf '%s\\n' ${words.join(' ')}\n`).join('')}    end
end
function __cmb_words
    set -l at ''
    for word in (commandline -opc)[2..-1]
        if not string match -q -- '-*' $word; and contains -- $word (__cmb_table "$at")
            set at (string trim -- "$at $word")
        end
    end
    __cmb_table "$at"
end
complete -c cmb -a '(__cmb_words)'
`
}
