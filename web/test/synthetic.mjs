// Documents of runs that never were, for tests: seeded, by the schema of `wildtype report --format json`.
// From a shell: node test/synthetic.mjs [SEED] [INDIVIDUALS] > data.json

/** mulberry32: the same numbers for the same seed, everywhere. */
function randomFrom(seed) {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const TYPES = [['IQ1_S', 1.5625], ['IQ2_XXS', 2.0625], ['IQ2_XS', 2.3125], ['Q2_K', 2.625], ['IQ3_XXS', 3.0625], ['Q3_K', 3.4375], ['IQ3_S', 3.4375], ['IQ4_XS', 4.25], ['Q4_K', 4.5],
  ['IQ4_NL', 4.5], ['Q5_K', 5.5], ['Q6_K', 6.5625], ['Q8_0', 8.5]]
const ROLES = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']
const OPERATORS = ['human', 'random', 'cross', 'rule', 'constant', 'switch', 'types', 'choice', 'freeze']
const PRICES = ['sens', 'sens*(1.4 + tanh(kurt - 3))/(0.3 + depth)', '(1 + 2*is_down)*(1.5 - depth)*if(kurt > 6, 2, 1)', 'error*(1 + 5*is_down + 0.25*is_v + is_head*2)', 'pow(rms_act, 0.7)*log(kurt_act) + max(peak/12, size)']
const FOLDS = ['0.25*log(act)', '0.41*log(act) - 0.12*log(w)', 'min(log(act_max), 1.5)*0.3', '0.5*log(act) - 0.25*log(w_max)']
const WEIGHTS = ['h*(v + x*x)', 'sqrt(h)*abs(x)', 'h*sqrt(2*v + x*x)/(1 + a)', 'if(abs(x) > 1.5, 2, 1)*h']
const HUMANS = [['Q2_K', 0.82, 0.036], ['IQ3_XXS', 0.81, 0.024], ['IQ3_XS', 0.9, 0.0163], ['Q3_K_S', 0.93, 0.0172], ['IQ3_S', 0.93, 0.0131], ['IQ3_M', 0.96, 0.0108], ['Q3_K_M', 1, 0.0102],
  ['sensitivity', 1, 0.0061], ['awq', 1, 0.0088], ['IQ4_XS', 1.09, 0.0047], ['Q4_K_S', 1.14, 0.0038], ['Q4_K_M', 1.19, 0.0031]]

/**
 * kind: 'finished', 'running', 'judging' (the humans alone are, so far), 'empty' (begun, nobody there), 'lethal' (nobody lived). With `hostile`, every text tries to be markup or
 * code. `knockouts: false`: explain was not run.
 */
export function synthetic({ seed = 1, individuals = 400, layers = 8, kind = 'finished', hostile = '', knockouts = true, generations = 0, axis = { name: 'kld', unit: 'nats per token', higher: false } } = {}) {
  const random = randomFrom(seed)
  const below = (n) => Math.floor(random() * n)
  const pick = (list) => list[below(list.length)]
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const target = 3999968
  const columns = ['id', 'generation', 'name', 'label', 'kind', 'species', 'operator', 'parent1', 'parent2', 'budget', 'bytes', 'memory', 'kld', 'kld_stderr', 'same_top', 'perplexity_ratio',
    'measured', 'cause', 'family', 'plan', 'text']
  const p = Object.fromEntries(columns.map((c) => [c, []]))
  const lines = [], lineAt = new Map(), plans = [], planAt = new Map()
  const line = (text) => {
    if (!lineAt.has(text)) { lineAt.set(text, lines.length); lines.push(text) }
    return lineAt.get(text)
  }
  const plan = (text) => {
    if (!planAt.has(text)) { planAt.set(text, plans.length); plans.push(text) }
    return planAt.get(text)
  }
  const tensors = [{ name: 'token_embd.weight', layer: -1, role: 'token_embd' }]
  for (let l = 0; l < layers; l++) for (const role of ROLES) tensors.push({ name: `blk.${l}.${role}.weight`, layer: l, role })
  tensors.push({ name: 'output.weight', layer: -1, role: 'output' })
  const draw = (centre) => tensors.map(() => String.fromCharCode(48 + Math.max(0, Math.min(TYPES.length - 1, Math.round(centre + normal() * 1.5))))).join('')
  const born = kind === 'empty' ? 0 : individuals
  const perGeneration = 24
  const last = generations || Math.max(1, Math.ceil((born - HUMANS.length) / perGeneration))

  const add = (row) => {
    for (const c of columns) p[c].push(row[c])
    return p.id.length - 1
  }
  const name = () => hostile ? `${hostile}${below(1e6)}` : Array.from({ length: 12 }, () => '0123456789abcdef'[below(16)]).join('')
  if (kind !== 'empty')
    for (const [label, size, kld] of HUMANS)
      add({ id: p.id.length + 1, generation: 0, name: name(), label: hostile ? label + hostile : label, kind: 0, species: 0, operator: 0, parent1: 0, parent2: 0, budget: 0, bytes: Math.round(size * target),
        memory: Math.round(size * target) + 1048576, kld: kind === 'lethal' ? null : kld, kld_stderr: kld / 40, same_top: 0.95, perplexity_ratio: 1 + kld / 2, measured: kind === 'lethal' ? 0 : 48, cause: '', family: -1,
        plan: plan(draw(5 + size)), text: [line('strategy'), line('alloc.price     = sens')] })

  // Families: each a founder's genes, inherited with changes.
  const families = []
  let population = []
  const genesOf = (family) => ['strategy', ...[...family.genes.values()]]
  for (let n = p.id.length, g = 0; n < born; n++) {
    g = Math.min(last - 1, Math.floor((n - HUMANS.length) / Math.max(1, (born - HUMANS.length) / last)))
    const lethal = kind === 'lethal' || random() < 0.09
    const fresh = g === 0 || population.length === 0 || random() < 0.04
    const operator = fresh ? 1 : 2 + below(OPERATORS.length - 2)
    const parent = fresh ? -1 : pick(population)
    const mate = operator === 2 && population.length > 1 ? pick(population) : -1
    let family, genes
    if (parent >= 0 && random() < 0.96) {
      family = p.family[parent]
      genes = new Map(families[family].genes)
    } else {
      genes = new Map([['alloc.price', `alloc.price     = ${pick(PRICES)}`]])
      if (random() < 0.8) genes.set('alloc.types', 'alloc.types     = [IQ2_XS Q2_K Q3_K IQ4_XS Q5_K Q6_K]')
      families.push({ genes, founder: p.id.length + 1, size: 0, born: g, last: g, alive: false, best: null, best_id: 0 })
      family = families.length - 1
    }
    if (random() < 0.5) genes.set('fold.ffn_in', `fold.ffn_in     = ${pick(FOLDS)}`)
    if (random() < 0.3) genes.set('encode.weight', `encode.weight   = ${pick(WEIGHTS)}`)
    if (random() < 0.3) genes.set('encode.bias', `encode.bias     = ${(0.99 + below(40) / 1000).toFixed(3)}`)
    if (random() < 0.2) genes.set('feedback.damp', 'feedback.damp   = 0.01')
    const text = [line('strategy'), ...[...genes.values()].map(line)]
    if (random() < 0.25) for (const pin of ['alloc.pins      = {', `    blk.${below(layers)}.ffn_down.weight: ${pick(TYPES)[0]}`, `    blk.${below(layers)}.attn_v.weight: ${pick(TYPES)[0]}`, '}']) text.push(line(pin))
    if (hostile) text.push(line(`encode.grid     = ${hostile}`))
    const raced = !lethal && random() < 0.5
    const small = random() < 0.12
    const bytes = Math.round(target * (small ? 0.82 + 0.16 * random() : 1 - 0.001 * random()))
    const was = parent >= 0 && p.kld[parent] ? p.kld[parent] : 0.05 * Math.exp(normal())
    const kld = Math.max(0.0042, was * Math.exp(normal() * 0.25 - 0.02) * (small ? 1.4 : 1) * (raced ? 1.3 : 1))
    const planned = lethal ? random() < 0.3 : true
    const cause = lethal ? pick([`plan: a budget of ${target} bytes is too small: the smallest file of this strategy has 9026464 bytes`, 'finite: logits of chunk 0 are not finite', `memory: 12.2 GiB at 4096 tokens are more than 8 GiB`,
      `bytes: ${bytes} bytes are more than ${target}`]) + (hostile ? ' ' + hostile : '') : raced ? 'race: worse than 12 others after 16 chunks' : ''
    const at = add({ id: p.id.length + 1, generation: g, name: name(), label: '', kind: 1, species: random() < 0.7 ? 0 : 1, operator, parent1: parent < 0 ? 0 : p.id[parent], parent2: mate < 0 ? 0 : p.id[mate],
      budget: target, bytes: planned ? bytes : 0, memory: planned ? bytes + 1048576 : 0, kld: lethal ? null : kld, kld_stderr: lethal ? null : kld / 50, same_top: lethal ? null : 1 - Math.sqrt(kld) * 0.6,
      perplexity_ratio: lethal ? null : 1 + kld * 0.6, measured: lethal ? 0 : raced ? 8 * (1 + below(4)) : 48, cause, family: planned ? family : -1, plan: planned ? plan(draw(5.4 + normal() * 0.2)) : -1, text })
    const f = families[family]
    f.size++
    f.last = Math.max(f.last, g)
    if (!lethal && !raced) {
      if (f.best === null || kld < f.best) { f.best = kld; f.best_id = p.id[at] }
      population.push(at)
      population.sort((a, b) => p.kld[a] - p.kld[b])
      population = population.slice(0, 12)
    }
  }
  for (const at of population) families[p.family[at]].alive = true

  const numbers = born > HUMANS.length ? Array.from({ length: last }, (_, g) => g) : []
  let best = null
  const bests = numbers.map((g) => {
    for (let i = 0; i < p.id.length; i++) if (p.generation[i] === g && p.kind[i] === 1 && p.kld[i] !== null && p.measured[i] === 48 && (best === null || p.kld[i] < best)) best = p.kld[i]
    return best
  })
  const count = (g, test) => p.id.reduce((n, _, i) => n + (p.generation[i] === g && p.kind[i] === 1 && test(i) ? 1 : 0), 0)
  const operators = numbers.map((g) => Object.fromEntries(OPERATORS.slice(1).map((o, k) => [o, { tried: 4 + k + g / 3, stayed: (4 + k) * (0.15 + 0.05 * Math.sin(g / 5 + k)), rate: 0.125 + 0.05 * Math.sin(g / 5 + k) }])))
  const verdict = []
  const row = (i, role, note) => ({ id: p.id[i], role, file: role === 'survivor' ? `survivor-${p.name[i]}.gguf` : '', bytes: p.bytes[i], kld: p.kld[i] * 1.03, stderr: p.kld[i] / 45, low: p.kld[i] * 0.985, high: p.kld[i] * 1.075,
      p99: p.kld[i] * 9, same_top: p.same_top[i], perplexity_ratio: p.perplexity_ratio[i], values: { flips: 0.0325 }, note: note + (hostile ? ' ' + hostile : '') })
  const humanRow = (i) => row(i, 'human', i === 7 ? 'the best human on the search text' : '')
  if (kind === 'judging') for (let i = 0; i < HUMANS.length; i++) verdict.push(humanRow(i))
  if (kind === 'finished') {
    population.slice(0, 3).forEach((i) => verdict.push(row(i, 'survivor', '0.83x the divergence of sensitivity (95%: 0.80 to 0.86)')))
    if (population.length > 4) verdict.push(row(population[4], 'rejected', 'kld_p99 is 1.7, more than 1.5 on the holdout'))
    for (let i = 0; i < HUMANS.length; i++) verdict.push(humanRow(i))
  }
  const knocked = kind === 'finished' && knockouts && population.length > 0 ? [['alloc.price', 'error*(1 + 5*is_down)', 0.0021, 0.0017, 0.0026], ['alloc.types', '[Q2_K Q3_K Q4_K Q5_K Q6_K]', 0.0008, 0.0002, 0.0014],
    ['fold.ffn_in', '0.5*log(act)', -0.0001, -0.0006, 0.0003], ['encode.weight', 'h*sqrt(2*v + x*x)', 0.0004, -0.0001, 0.0009], ['encode.bias', '1.0125', -0.0007, -0.0011, -0.0003],
    ['pin blk.3.ffn_down.weight', '', 0.0003, 0.0001, 0.0005]].map(([gene, value, change, low, high]) => ({ id: p.id[population[0]], gene, value: value + (hostile ? ' ' + hostile : ''), change, low, high })) : []
  const stage = { finished: 'judged', lethal: 'stopped', running: 'searching', judging: 'judging', empty: 'stopped' }[kind]
  return {
    format: 'wildtype-report', version: 1,
    run: { model: `/models/sapling-F16${hostile}.gguf`, text: `novel.txt${hostile}`, seed, version: '0.1.0', cpu: 'avx2', threads: 2, running: kind === 'running' || kind === 'judging', ended: kind === 'running' || kind === 'empty' ? null : 'minutes spent', stage, axis, measured: p.measured.filter((n) => n > 0).length,
      evaluations: born, tokens: born * 9000, seconds: born * 1.6, noise: 0.00042, raced_tokens: kind === 'finished' ? born * 9000 : null, full_tokens: kind === 'finished' ? born * 21000 : null, chunks: 48, target_bytes: target,
      rules: `text:\n  file: "novel.txt"\nconstraints:\n  - {axis: "bytes", max: ${target}}\nseed: ${seed}\n` },
    sentence: kind === 'judging' ? 'The search has ended (minutes spent) and the verdict is being measured, on text that no one searched on: 12 individuals done so far.'
      : kind === 'empty' ? 'The run was stopped before its verdict: nobody has been measured yet.' : kind === 'finished' ? `${verdict[0] ? p.name[population[0]] : 'nobody'} survived: 0.83x the divergence of sensitivity (95%: 0.80 to 0.86), on text that no one searched on.` + hostile
      : kind === 'running' ? 'The run goes on: generation ' + (last - 1) + '.' : 'The run was stopped before its verdict: nobody lives.',
    verdict, asked: [{ axis: 'bytes', min: null, max: target, unit: 'bytes' }, { axis: 'kld_p99', min: null, max: 1.5, unit: 'nats' }, { axis: 'same_top', min: 0.94, max: null, unit: 'share' }, { axis: 'flips', min: null, max: 0.05, unit: 'share' }],
    operators: OPERATORS, species: ['rule', 'pinned'], kinds: ['human', 'evolved'],
    individuals: p, lines, tensors, types: TYPES.map(([name, bpw]) => ({ name, bpw })), plans,
    generations: { number: numbers, evaluations: numbers.map((g) => HUMANS.length + (g + 1) * perGeneration), tokens: numbers.map((g) => (g + 1) * 210000), seconds: numbers.map((g) => (g + 1) * 38.5), best: bests,
      diversity: numbers.map((g) => 0.1 + 0.5 * Math.exp(-g / 9)), lethal: numbers.map((g) => count(g, (i) => p.kld[i] === null)), born: numbers.map((g) => count(g, () => true)),
      eliminated: numbers.map((g) => count(g, (i) => p.cause[i].startsWith('race'))), cache_hits: numbers.map((g) => (g === 0 ? null : 0.8 - 0.6 * Math.exp(-g / 4))), state_reuse: numbers.map((g) => 0.3 - 0.3 * Math.exp(-g / 6)), operators },
    knockouts: knocked,
    families: families.map((f) => ({ founder: f.founder, size: f.size, born: f.born, last: f.last, alive: f.alive, best: f.best, best_id: f.best_id, genes: genesOf(f).slice(1, 4).map((g) => g + hostile) })),
    clustering: { method: 'leader clustering in the order of birth, by the distance of plans and of genes', threshold: 0.35, weights: { plan: 0.5, genes: 0.5 } },
  }
}

/** The page with the document in it, as the C program embeds it. */
export function embed(page, doc) {
  return page.replace('id="wildtype-data">null<', () => `id="wildtype-data">${JSON.stringify(doc).replaceAll('<', '\\u003c')}<`)
}

if (process.argv[1]?.endsWith('synthetic.mjs')) process.stdout.write(JSON.stringify(synthetic({ seed: Number(process.argv[2] ?? 1), individuals: Number(process.argv[3] ?? 400) })))
