// Makes the mutants of both guards from the syntax trees of their sources.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'

const ROOT = join(import.meta.dirname, '..', '..')

/** The files of each guard that the kit does not test: frameworks, types, and what only operators see. */
const GUARDS = {
  node: {
    folder: join(ROOT, 'guard', 'src'),
    end: '.ts',
    without: [
      'authorize',
      'express',
      'fastify',
      'hono',
      'hooks',
      'index',
      'next',
      'node',
      'problems',
      'security-event',
      'version',
      'holds',
      'listeners',
      'options',
      'own-sessions',
    ],
  },
  python: {
    folder: join(ROOT, 'guard-python', 'src', 'case_manager_guard'),
    end: '.py',
    without: [
      '__init__',
      '_bearer',
      '_listener',
      '_own_sessions',
      '_problems',
      'asgi',
      'django',
      'wsgi',
    ],
  },
}

/** Calls that change no decision: problems, hooks and counts for operators. */
const OF_OPERATORS =
  /^(?:this\.#?)?(?:\w+\.)*(?:hooks|problem|#problem|onProblem|counters|rejected)\b/

/** The name of a constant of a module, whose value no case alone runs. */
const OF_MODULE = /^[A-Z_]*$/

const TURNED = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '==': '!=',
  '!=': '==',
}

/** Returns the spans of a TypeScript source to replace. */
function spansOf(source) {
  const found = []
  const textOf = ({ start, end }) => source.slice(start, end)
  /** Conditions as a whole. An equality that is one needs no mutant of its own. */
  const whole = new Set()
  const add = (kind, where, { start, end }, to) => {
    if (kind === 'condition') whole.add(start * source.length + end)
    found.push({ kind, where, start, end, to })
  }
  const isBranch = (node) =>
    ['ReturnStatement', 'ContinueStatement', 'BreakStatement'].includes(node?.type)

  const rules = {
    BinaryExpression(node, where) {
      const { left, right, operator } = node
      const isCovered = /^[!=]/.test(operator) && whole.has(node.start * source.length + node.end)
      if (operator in TURNED && !isCovered)
        add('comparison', where, node, `(${textOf(left)} ${TURNED[operator]} ${textOf(right)})`)
    },
    LogicalExpression({ operator, left, right, ...node }, where) {
      if (operator === '??') return add('condition', where, node, `(${textOf(left)} as any)`)
      for (const each of [left, right])
        add('condition', where, each, operator === '&&' ? 'true' : 'false')
    },
    IfStatement(node, where) {
      for (const to of ['true', 'false']) add('condition', where, node.test, to)
      // A condition that never holds is the same as an only statement that is left out.
      const { body = [] } = node.consequent
      if (body.length > 1)
        for (const each of body.filter(isBranch)) add('early return', where, each, ';')
    },
    ConditionalExpression({ test }, where) {
      for (const to of ['true', 'false']) add('condition', where, test, to)
    },
    WhileStatement: ({ test }, where) => add('condition', where, test, 'false'),
    SwitchCase({ consequent }, where) {
      for (const each of consequent.filter(isBranch)) add('early return', where, each, ';')
    },
    Literal(node, where) {
      const { value } = node
      if (typeof value === 'boolean') add('constant', where, node, String(!value))
      if (typeof value === 'number')
        for (const to of value === 0
          ? [1]
          : value === 1
            ? [0]
            : OF_MODULE.test(where)
              ? [value * 10, value / 10]
              : [value * 10])
          add('constant', where, node, String(to))
    },
    ExpressionStatement(node, where) {
      const { expression } = node
      const effect = expression.type === 'AwaitExpression' ? expression.argument : expression
      if (
        effect.type === 'AssignmentExpression' ||
        effect.type === 'UpdateExpression' ||
        !OF_OPERATORS.test(textOf(effect))
      )
        add('statement', where, node, ';')
    },
    CallExpression(node, where) {
      if (node.callee.property?.name === 'filter')
        add('condition', where, node, textOf(node.callee.object))
      if (['max', 'min'].includes(node.callee.property?.name) && node.callee.object.name === 'Math')
        add(
          'comparison',
          where,
          node.callee.property,
          node.callee.property.name === 'max' ? 'min' : 'max',
        )
    },
  }

  function visit(node, where) {
    if (Array.isArray(node)) for (const each of node) visit(each, where)
    if (typeof node?.type !== 'string' || (node.type.startsWith('TS') && !('expression' in node)))
      return
    if (
      ['ImportDeclaration', 'ExportAllDeclaration', 'ThrowStatement', 'TemplateLiteral'].includes(
        node.type,
      )
    )
      return
    if (node.type === 'NewExpression' && node.callee.name?.endsWith('Error')) return
    if (node.type === 'CallExpression' && OF_OPERATORS.test(textOf(node.callee))) return
    const name =
      node.key?.name ??
      (node.type === 'FunctionDeclaration' || node.type === 'VariableDeclarator'
        ? node.id?.name
        : undefined)
    const isNamed =
      name !== undefined &&
      (node.type !== 'Property' || node.method) &&
      (node.type !== 'VariableDeclarator' || where === '')
    const within = isNamed ? name : where
    rules[node.type]?.(node, within)
    for (const [key, child] of Object.entries(node))
      if (
        ![
          'type',
          'typeAnnotation',
          'returnType',
          'typeParameters',
          'typeArguments',
          'key',
        ].includes(key) &&
        typeof child === 'object'
      )
        visit(child, within)
  }
  visit(parseSync('source.ts', source).program.body, '')
  return found
}

const normal = (text) => text.replace(/\s+/g, ' ').trim().slice(0, 160)

/** Returns the mutants of a guard. An `id` names a file, a function and a text, so that it outlasts other changes. */
export function mutantsOf(guard) {
  const { folder, end, without } = GUARDS[guard]
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(end) && !without.includes(name.slice(0, -end.length)))
    .sort()
  const sources = files.map((file) => readFileSync(join(folder, file), 'utf8'))
  const spans =
    guard === 'node' ? sources.map(spansOf) : spansOfPython(files.map((file) => join(folder, file)))
  return files.flatMap((file, at) => {
    const source = sources[at]
    const ids = new Map()
    return spans[at].map(({ kind, where, start, end: until, to, lines }) => {
      const id = `${guard}/${file} ${where}: ${normal(source.slice(start, until))} => ${normal(to)}`
      const count = (ids.get(id) ?? 0) + 1
      ids.set(id, count)
      return {
        id: count === 1 ? id : `${id} #${count}`,
        guard,
        kind,
        file,
        start,
        lines,
        isOfModule: OF_MODULE.test(where),
        source: () => source.slice(0, start) + to + source.slice(until),
      }
    })
  })
}

function spansOfPython(paths) {
  const script = join(import.meta.dirname, 'python-mutants.py')
  return JSON.parse(
    execFileSync('python3', [script, ...paths], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }),
  )
}
