/*
 * The language of rules (docs/strategies.md), read and evaluated as the C program does: recursive descent to a tree, 32-bit floats after
 * every step, everything total, nothing beyond 1e30. exp, log, tanh and pow are JavaScript's, so that their last bit may differ from
 * the C program's; that is far below what a curve shows. The text comes from a document, so depth and size are bounded as they are there.
 */

export type Tree =
  | { op: 'number'; value: number }
  | { op: 'variable'; name: string }
  | { op: string; args: Tree[] }

const ARITY: Record<string, number> = { min: 2, max: 2, abs: 1, sqrt: 1, log: 1, exp: 1, tanh: 1, pow: 2, if: 3 }
const COMPARISONS = ['<', '<=', '>', '>=', '==', '!=']
const MOST_NODES = 64
const MOST_NESTING = 64

const TOKEN = /[ \t\r\n]*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_][A-Za-z0-9_]*)|([<>=!]=|[-+*/()<>,]))/y

interface Token {
  kind: 'number' | 'name' | 'mark' | 'end'
  text: string
}

class Parser {
  private at = 0
  private nodes = 0
  private nesting = 0
  private now: Token = { kind: 'end', text: '' }
  private readonly text: string
  private readonly variables: Set<string>

  constructor(text: string, variables: Set<string>) {
    this.text = text
    this.variables = variables
    this.next()
  }

  private next(): void {
    TOKEN.lastIndex = this.at
    const found = TOKEN.exec(this.text)
    if (!found) {
      if (this.text.slice(this.at).trim() !== '') throw new Error(`cannot read '${this.text.slice(this.at, this.at + 16)}'`)
      this.now = { kind: 'end', text: 'the end' }
      return
    }
    this.at = TOKEN.lastIndex
    this.now = { kind: found[1] ? 'number' : found[2] ? 'name' : 'mark', text: found[1] ?? found[2] ?? found[3] }
  }

  private isMark(mark: string): boolean {
    return this.now.kind === 'mark' && this.now.text === mark
  }

  private take(mark: string): void {
    if (!this.isMark(mark)) throw new Error(`expected '${mark}' but found '${this.now.text}'`)
    this.next()
  }

  private node(tree: Tree): Tree {
    if (++this.nodes > MOST_NODES) throw new Error(`the expression has more than ${MOST_NODES} nodes`)
    return tree
  }

  /** The operand has to be a comparison, or must not be one. */
  private typed(tree: Tree, truth: boolean): Tree {
    if (COMPARISONS.includes(tree.op) !== truth) throw new Error(truth ? 'expected a comparison' : 'expected a number but found a comparison')
    return tree
  }

  whole(): Tree {
    const tree = this.typed(this.comparison(), false)
    if (this.now.kind !== 'end') throw new Error(`expected an operator but found '${this.now.text}'`)
    return tree
  }

  private comparison(): Tree {
    if (++this.nesting > MOST_NESTING) throw new Error('the expression is nested too deep')
    let left = this.sum()
    if (this.now.kind === 'mark' && COMPARISONS.includes(this.now.text)) {
      const op = this.now.text
      this.typed(left, false)
      this.next()
      left = this.node({ op, args: [left, this.typed(this.sum(), false)] })
    }
    this.nesting--
    return left
  }

  private infix(marks: string[], operand: () => Tree): Tree {
    let left = operand()
    while (this.now.kind === 'mark' && marks.includes(this.now.text)) {
      const op = this.now.text
      this.typed(left, false)
      this.next()
      left = this.node({ op, args: [left, this.typed(operand(), false)] })
    }
    return left
  }

  private sum(): Tree {
    return this.infix(['+', '-'], () => this.infix(['*', '/'], () => this.sign()))
  }

  private sign(): Tree {
    if (!this.isMark('-')) return this.alone()
    this.next()
    if (this.now.kind === 'number') return this.number(-1)
    if (++this.nesting > MOST_NESTING) throw new Error('the expression is nested too deep')
    const operand = this.typed(this.sign(), false)
    this.nesting--
    return this.node({ op: 'neg', args: [operand] })
  }

  private number(sign: number): Tree {
    const value = Math.fround(Number(this.now.text))
    if (!(value <= LARGEST)) throw new Error(`the number '${this.now.text}' is beyond 1e30`)
    this.next()
    return this.node({ op: 'number', value: value === 0 ? 0 : sign * value })
  }

  private alone(): Tree {
    if (this.now.kind === 'number') return this.number(1)
    if (this.now.kind === 'name') {
      const name = this.now.text
      this.next()
      if (Object.hasOwn(ARITY, name)) return this.call(name)
      if (!this.variables.has(name)) throw new Error(`'${name}' is no variable here`)
      return this.node({ op: 'variable', name })
    }
    this.take('(')
    const inner = this.comparison()
    this.take(')')
    return inner
  }

  private call(name: string): Tree {
    const args: Tree[] = []
    this.take('(')
    for (let i = 0; i < ARITY[name]; i++) {
      if (i > 0) this.take(',')
      args.push(this.typed(this.comparison(), name === 'if' && i === 0))
    }
    this.take(')')
    return this.node({ op: name, args })
  }
}

/** The tree of an expression over the named variables; throws an error that says what is wrong. */
export function parseExpression(text: string, variables: Iterable<string>): Tree {
  return new Parser(text, new Set(variables)).whole()
}

/** The variables that an expression has, each once, in the order of their first place. */
export function variablesOf(tree: Tree, into: string[] = []): string[] {
  if ('name' in tree) {
    if (!into.includes(tree.name)) into.push(tree.name)
  } else if ('args' in tree) for (const arg of tree.args) variablesOf(arg, into)
  return into
}

const f = Math.fround
const LARGEST = f(1e30)
const SMALLEST_LOG = f(1e-30)

function within(x: number): number {
  return x > LARGEST ? LARGEST : x < -LARGEST ? -LARGEST : x
}

function admitted(x: number | undefined): number {
  return x === undefined || Number.isNaN(x) ? 0 : within(f(x))
}

function power(a: number, b: number): number {
  if (a === 0) return b === 0 ? 1 : 0
  return within(f(Math.pow(Math.abs(a), b)))
}

export function evaluate(tree: Tree, values: Record<string, number>): number {
  if ('value' in tree) return tree.value
  if ('name' in tree) return admitted(values[tree.name])
  const args = tree.args
  if (tree.op === 'if') return evaluate(args[0], values) !== 0 ? evaluate(args[1], values) : evaluate(args[2], values)
  const a = evaluate(args[0], values)
  const b = args.length > 1 ? evaluate(args[1], values) : 0
  switch (tree.op) {
    case 'neg': return a === 0 ? 0 : -a
    case '+': return within(f(a + b))
    case '-': return within(f(a - b))
    case '*': return within(f(a * b))
    case '/': return b === 0 ? 0 : within(f(a / b))
    case 'min': return a < b ? a : b
    case 'max': return a > b ? a : b
    case 'abs': return Math.abs(a)
    case 'sqrt': return f(Math.sqrt(Math.abs(a)))
    case 'log': return f(Math.log(Math.max(Math.abs(a), SMALLEST_LOG)))
    case 'exp': return within(f(Math.exp(a)))
    case 'tanh': return f(Math.tanh(a))
    case 'pow': return power(a, b)
    case '<': return +(a < b)
    case '<=': return +(a <= b)
    case '>': return +(a > b)
    case '>=': return +(a >= b)
    case '==': return +(a === b)
    case '!=': return +(a !== b)
    default: throw new Error(`unknown operator '${tree.op}'`)
  }
}
