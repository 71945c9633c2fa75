// The modules without a page: expressions against what the C program computes, strategies' texts, numbers, and the document's reader.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createServer } from 'vite'
import { synthetic } from './synthetic.mjs'

let vite
const load = (name) => vite.ssrLoadModule(`/src/${name}.ts`)

before(async () => {
  vite = await createServer({ configFile: false, root: new URL('..', import.meta.url).pathname, logLevel: 'error', appType: 'custom', server: { middlewareMode: true, hmr: false, ws: false, watch: null }, optimizeDeps: { noDiscovery: true } })
})
after(() => vite.close())

test('expressions have the values that the C program computes', async () => {
  const { parseExpression, evaluate } = await load('expression')
  const cases = JSON.parse(readFileSync(new URL('expressions.json', import.meta.url)))
  assert.ok(cases.length > 100)
  let worst = 0
  for (const { text, values, out } of cases) {
    const got = evaluate(parseExpression(text, Object.keys(values)), values)
    const error = Math.abs(got - out) / Math.max(1e-30, Math.abs(out))
    // exp, log, tanh and pow are JavaScript's own: some last bits differ, and differences amplify them.
    assert.ok(got === out || error < 3e-5, `${text} at ${JSON.stringify(values)} is ${got}, not ${out}`)
    worst = Math.max(worst, got === out ? 0 : error)
  }
  console.log(`${cases.length} values, the worst relative error ${worst.toExponential(1)}`)
})

test('what is no expression is refused', async () => {
  const { parseExpression } = await load('expression')
  for (const text of ['', '1 +', 'foo', 'log(1, 2)', 'if(1, 2, 3)', 'depth < 1', '(1', '1 2', 'constructor', '__proto__', 'min(1)', '1e31', '"x"', '('.repeat(500), '-'.repeat(500) + 'depth', '1' + '+1'.repeat(80)])
    assert.throws(() => parseExpression(text, ['depth']), Error, text)
})

test('curves of constants, of everything, and of nonsense', async () => {
  const { parseExpression, variablesOf } = await load('expression')
  assert.deepEqual(variablesOf(parseExpression('kurt*depth + depth', ['depth', 'kurt'])), ['kurt', 'depth'])
  const { GENES } = await load('variables')
  const { parseExpression: parse } = await load('expression')
  for (const [name, gene] of Object.entries(GENES)) if (gene.domain) assert.doesNotThrow(() => parse(gene.human, gene.domain.map((v) => v.name)), name)
})

test('genes are those of docs/strategies.md, with its variables', async () => {
  const { GENES } = await load('variables')
  const docs = readFileSync(new URL('../../docs/strategies.md', import.meta.url), 'utf8')
  const rows = [...docs.matchAll(/^\| `([a-z]+\.[a-z_]+)` \| ([^|]+) \| `([^`]*)` \| `([^`]*)` \|/gm)]
  assert.deepEqual(Object.keys(GENES), rows.map((row) => row[1]))
  for (const [, gene, kind, otherwise, human] of rows) {
    assert.deepEqual([GENES[gene].otherwise, GENES[gene].human], [otherwise, human], gene)
    const domain = kind.match(/rule \((\w+)\)/)?.[1]
    assert.equal(GENES[gene].domain !== null, domain !== undefined, gene)
    if (!domain) continue
    const part = docs.split(`### Variables: ${domain}`)[1].split(/\n##/)[0]
    assert.deepEqual(GENES[gene].domain.map((v) => v.name), [...part.matchAll(/^\| `(\w+)` \|/gm)].map((row) => row[1]), gene)
  }
})

test('a text is genes, pins over several lines among them', async () => {
  const { readGenes, genesBetween } = await load('strategy_text')
  const a = readGenes(['strategy', 'alloc.price     = sens', 'alloc.pins      = {', '    blk.0.ffn_up.weight: Q4_K', '    "odd name": Q8_0', '}', 'encode.bias     = 1.01'])
  assert.deepEqual(a.map((g) => g.gene), ['alloc.price', 'alloc.pins', 'encode.bias'])
  assert.deepEqual(a[1].pins, [['blk.0.ffn_up.weight', 'Q4_K'], ['odd name', 'Q8_0']])
  const b = readGenes(['alloc.price = error', 'alloc.pins = { blk.0.ffn_up.weight: Q5_K }'])
  assert.deepEqual(genesBetween(a, b), ['alloc.price = error', 'blk.0.ffn_up: Q4_K → Q5_K', 'odd name: not pinned', 'encode.bias back to its default'])
  assert.deepEqual(genesBetween([], readGenes(['alloc.pins = { a: Q8_0, b: Q8_0, c: Q8_0, d: Q8_0, e: Q8_0 }'])), ['pins for 5 tensors'])
})

test('pins that the document leaves to the plan are there again', async () => {
  const { readReport, textOf, wholeTextOf } = await load('document')
  const { readGenes, genesBetween } = await load('strategy_text')
  const doc = synthetic({ seed: 3, individuals: 40, layers: 2 })
  const p = doc.individuals
  const short = doc.lines.push(`alloc.pins      = { all ${doc.tensors.length} tensors as in the plan }`) - 1
  const price = doc.lines.push('alloc.price     = 1') - 1
  const types = doc.tensors.map((_, t) => (t === 1 ? '0' : '1')).join('')
  doc.tensors[2].name = 'odd "name"'
  // A parent whose pins are left to its plan, a child whose pins differ in one tensor and are written, one that differs and leaves them too.
  const plan = (text) => doc.plans.push(text) - 1
  const set = (i, text, plan) => { p.text[i] = text; p.plan[i] = plan }
  const other = types.slice(0, 3) + '2' + types.slice(4)
  const line = (text) => doc.lines.push(text) - 1
  const written = [...doc.tensors].map((tensor, t) => line(`    ${tensor.name.includes('"') ? '"odd \\"name\\""' : tensor.name}: ${doc.types[other.charCodeAt(t) - 48].name}`))
  set(20, [doc.lines.indexOf('strategy'), price, short], plan(types))
  set(21, [doc.lines.indexOf('strategy'), price, line('alloc.pins      = {'), ...written, line('}')], plan(other))
  set(22, [doc.lines.indexOf('strategy'), price, short], plan(other))
  const r = readReport(doc)
  const whole = wholeTextOf(r, 20)
  assert.equal(whole[0], `strategy "${p.name[20]}"`)
  assert.equal(whole.length, 4 + doc.tensors.length)
  assert.equal(whole[3], `    ${doc.tensors[0].name}: ${doc.types[1].name}`)
  assert.equal(whole[5], `    "odd \\"name\\"": ${doc.types[1].name}`)
  const genes = (i) => readGenes(wholeTextOf(r, i))
  assert.deepEqual(genes(22), genes(21))
  const change = `${doc.tensors[3].name.replace('.weight', '')}: ${doc.types[1].name} → ${doc.types[2].name}`
  assert.deepEqual(genesBetween(genes(20), genes(21)), [change])
  assert.deepEqual(genesBetween(genes(20), genes(22)), [change], 'also where both are left to their plans')
  assert.deepEqual(genesBetween(genes(21), genes(22)), [])
  p.plan[22] = -1
  assert.deepEqual(wholeTextOf(readReport(doc), 22)[2], textOf(r, 22)[2], 'without a plan the line stays')
})

test('numbers have units and sensible digits', async () => {
  const f = await load('format')
  assert.equal(f.size(3999968), '3.81 MiB')
  assert.equal(f.sizeExact(2048), '2.00 KiB (2,048 bytes)')
  assert.equal(f.nats(0.00593465), '0.005935 nats')
  assert.equal(f.nats(null), '–')
  assert.equal(f.digits(1.35781e-7), '1.358e−7')
  assert.equal(f.digits(12345.6), '12346')
  assert.equal(f.digits(-4.78e-6, 3), '−4.78e−6')
  const places = f.placesOf([0.001765, -0.0000206, null])
  assert.deepEqual([0.001765, -0.0000206, 9.4e-6, 0, null].map((v) => f.signedTo(v, places)), ['+0.001765', '−0.000021', '+0.000009', '0', '–'])
  assert.equal(f.placesOf([]), 0)
  assert.equal(f.brief('abcdef', 4), 'abc…')
  assert.equal(f.brief('abcd', 4), 'abcd')
  assert.equal(f.share(0.95386, 2), '95.39%')
  assert.equal(f.duration(347.8), '5.8 min')
  assert.equal(f.short(4505600), '4.51 M')
})

test('documents are read, and what is none is refused', async () => {
  const d = await load('document')
  const r = d.readReport(synthetic({ seed: 5 }))
  assert.equal(r.count, 400)
  assert.equal(d.survivorsOf(r).length, 3)
  assert.equal(d.firstChoice(r), d.survivorsOf(r)[0])
  assert.equal(d.callName(r, d.bestHuman(r)), 'sensitivity')
  assert.equal(r.familyLetter[r.familyOrder[0]], 'A')
  assert.equal(r.familyLetter[r.familyOrder[26]], 'AA')
  assert.equal(d.lineOf(r, 399)[0], 399)
  const ring = synthetic({ seed: 5 })
  ring.individuals.parent1.fill(399)
  assert.ok(d.lineOf(d.readReport(ring), 399).length <= 400, 'a ring of parents ends')
  assert.throws(() => d.readReport(null))
  assert.throws(() => d.readReport({ format: 'wildtype-report', version: 2, individuals: { id: [] } }))
  const short = synthetic({ seed: 5 })
  short.individuals.cause.pop()
  assert.throws(() => d.readReport(short), /cause/)
})
