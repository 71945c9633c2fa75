/* What the page's words mean: hover texts, and the list at its end. A word is shown through term() and never explained twice. */
import { h } from './dom'

export const WORDS = {
  kld: ['divergence', 'How far a quantized model’s predictions are from the exact model’s: the Kullback–Leibler divergence, averaged over tokens, in nats per token. 0 is no difference; lower is better.'],
  nats: ['nats', 'The unit of divergence: information counted with natural logarithms. 1 nat is 1.44 bits.'],
  interval: ['95% interval', 'Where the true mean lies in 95 of 100 such measurements, found by drawing the text’s chunks again and again (bootstrap). Two individuals whose intervals overlap widely may not differ.'],
  stderr: ['standard error', 'How much a mean wobbles because the text is finite: about 68% of repeated measurements fall within one standard error.'],
  p99: ['99% divergence', 'The divergence that 99 of 100 tokens stay below: how bad the rare bad cases are, in nats.'],
  same_top: ['same top token', 'The share of tokens whose most probable successor is the same as the exact model’s. Higher is better.'],
  perplexity_ratio: ['perplexity ratio', 'Perplexity (how surprised the model is by the text) over the exact model’s. 1 is no loss; lower is better.'],
  survivor: ['survivor', 'A strategy that met every constraint on the holdout text, which no one searched on, and that no other beats on every axis.'],
  human: ['human', 'A hand-made competitor: a llama.cpp preset or a known method, measured in the same arena by the same rules.'],
  rejected: ['rejected', 'A finalist that failed on the holdout text: it broke a constraint there, or could not be measured.'],
  holdout: ['holdout text', 'The text that nothing may look at while the search goes on. The verdict is measured on it, once, at the end.'],
  verdict: ['verdict', 'Who survived: finalists and humans measured on the holdout text, once, after the search.'],
  best: ['best', 'The best of the population, on the search text, by what races compare: divergence in nats per token, unless the rules name another axis first.'],
  search: ['search text', 'The part of the text that strategies compete on.'],
  strategy: ['strategy', 'A complete recipe for quantizing a model, written as text: which types, how to choose them, how to encode.'],
  individual: ['individual', 'One strategy in this run, with its parents and its measurements.'],
  gene: ['gene', 'One decision of a strategy: an expression, a number, a choice, or a list of types.'],
  worth: ['worth of a gene', 'By how much the divergence changes when this gene alone is set to what people use (a knock-out). Above zero: the strategy’s own value is better.'],
  rule: ['rule', 'A gene that is an expression over measured quantities, so that it works on any model.'],
  pin: ['pin', 'A type chosen for one tensor by name, whatever the rules say.'],
  plan: ['plan', 'What a strategy becomes on this model: a block type for each tensor.'],
  bpw: ['bits per weight', 'How many bits a block type spends on one weight, scales included.'],
  type: ['block type', 'One of llama.cpp’s number formats: weights are stored in blocks that share scales. Q4_K has about 4.5 bits per weight.'],
  layer: ['layer', 'One block of the model, counted from 0; most models repeat the same matrices in each.'],
  role: ['role', 'What a tensor does in its layer: attn_q makes queries, ffn_down is the FFN’s last matrix, and so on.'],
  lethal: ['lethal', 'It broke a law, such as not being finite or being over the size limit. It never competed; the cause is recorded.'],
  law: ['law', 'A condition without which a candidate does not exist: it has a plan, fits the size, can be run, and stays finite.'],
  race: ['race', 'Candidates are measured on the same chunks of text, block by block; those significantly worse than enough others go home early, so effort goes to the undecided.'],
  raced: ['sent home', 'Eliminated in a race after a few chunks of text. Its divergence was measured on those alone.'],
  seed: ['seed', 'The number that all random choices follow from: the same rules with the same seed make the same run, unless they end by the clock.'],
  chunk: ['chunk', 'A stretch of text of fixed length: the unit in which the text is measured.'],
  generation: ['generation', 'One round: children are born, race, and the best of old and new stay.'],
  born: ['born', 'Made in a generation by an operator, whether it was measured or died before.'],
  evaluation: ['evaluation', 'One individual made and measured.'],
  token: ['token', 'A piece of text as the model reads it; about four letters of English.'],
  family: ['family', 'Strategies that are alike, found by clustering their plans and genes. Letters go by size: A is the largest.'],
  founder: ['founder', 'The first individual of a family.'],
  extinct: ['extinct', 'No member of the family is in the last population.'],
  operator: ['operator', 'What made a child out of its parents: a kind of mutation, or a cross of two.'],
  species: ['species', 'Two kinds of strategy. Rule: its types come from rules that work on any model. Pinned: it has a type for each tensor, which works on this architecture alone.'],
  lineage: ['line of descent', 'Who comes from whom, by which operator.'],
  diversity: ['diversity', 'The mean distance between strategies of the population: 0 where all are alike, 1 where they have nothing in common.'],
  cache_hits: ['cache hits', 'The share of encoded tensors that were taken from the cache instead of being computed again.'],
  state_reuse: ['state reuse', 'The share of the model’s blocks that did not have to run, because their outputs were known from a parent.'],
  noise: ['noise floor', 'The divergence that the runtime’s rounding of activations causes by itself. No quantization gets below it.'],
  front: ['front', 'Those that no other beats in both size and divergence.'],
  playoff: ['play-off', 'Before the verdict, the last population is measured on more chunks of the search text: the best of many on few chunks is also the luckiest. The order of the survivors is settled by it, before the holdout text is looked at.'],
  size_limit: ['size limit', 'The largest file that a survivor may have, by the rules.'],
  memory: ['memory', 'The bytes of the file and of the cache of keys and values, at the context length that the rules name.'],
  success: ['success', 'Of the children that an operator made, the share that came into the next population and are better than their parents by some axis.'],
  knockout: ['knock-out', 'One gene set to what people use while all others stay; the difference is what the gene is worth.'],
  budget: ['size it was made for', 'The file size that the strategy’s types were chosen for.'],
  usual: ['usual value', 'What a variable of a rule is on a typical tensor: 1 for what is relative to a mean, the middle for depth, 0 for is_… (not such a tensor). The run does not keep what was measured on its model, so a curve shows the rule’s shape, not what it did there.'],
  tasks: ['tasks', 'The share of the multiple-choice tasks, in the file that the rules name, that are answered rightly. Higher is better.'],
  flips: ['flips', 'The share of multiple-choice tasks that are answered otherwise than by the exact model, rightly or not. Lower is better.'],
  kld_half: ['divergence at half context', 'The divergence on chunks half as long as the longest that the model was trained on, in nats per token.'],
  kld_full: ['divergence at full context', 'The divergence on chunks as long as the longest that the model was trained on, in nats per token.'],
  kld_other: ['divergence on another text', 'The divergence on a text of another kind, which the rules name, in nats per token: whether what was found holds away from the text that it was found on.'],
  encode_seconds: ['seconds to encode', 'How many seconds it took to encode the model by this strategy.'],
  constraint: ['constraint', 'A condition of the rules that a survivor must meet.'],
} as const

export type Word = keyof typeof WORDS

export const OPERATORS: Record<string, string> = {
  random: 'A new strategy, drawn gene by gene.',
  cross: 'Two parents: each gene is one’s, or a mix of both.',
  rule: 'One rule changed: a part of it, an operator, a variable or a number.',
  constant: 'One number changed: in a rule, of a grid, or a gene that is one.',
  switch: 'Pinned tensors exchanged bits, so that the size stays about the same; or there is one pin more or fewer.',
  types: 'The set of types got one more, one fewer or another; or a cache’s type changed.',
  choice: 'Something was turned on or off: a rotation, a fold, feedback, a grid.',
  freeze: 'The plan that rules made became pins, one for each tensor.',
  human: 'Made by hand.',
}

const LAWS: Record<string, string> = {
  plan: 'No types that this strategy allows fit the size.',
  bytes: 'The file is larger or smaller than the rules allow.',
  memory: 'The file and its cache of keys and values need more memory than the rules allow.',
  finite: 'Some of the model’s outputs were infinite or not numbers.',
}

export function lawTip(law: string): string {
  return LAWS[law] ?? 'A constraint of the rules.'
}

/** A word with its hover text; `shown` where the sentence needs another form of it. */
export function term(word: Word, shown?: string): HTMLElement {
  return h('span', { class: 'term', tabindex: '0', 'data-tip': word, 'aria-describedby': `word-${word}` }, shown ?? WORDS[word][0])
}

/** Explains an operator where it is known. */
export function operatorTip(name: string): string {
  return OPERATORS[name] ?? 'An operator that made a child out of its parents.'
}

export function glossary(): HTMLElement {
  const list = h('dl', { class: 'words' })
  const entries = (Object.entries(WORDS) as [Word, readonly [string, string]][]).sort((a, b) => a[1][0].localeCompare(b[1][0]))
  for (const [word, [name, text]] of entries) list.append(h('div', {}, h('dt', {}, name), h('dd', { id: `word-${word}` }, text)))
  for (const [name, text] of Object.entries(OPERATORS)) list.append(h('div', {}, h('dt', {}, `operator ${name}`), h('dd', {}, text)))
  return list
}
