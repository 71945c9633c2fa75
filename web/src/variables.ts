/*
 * The variables of rules, by domain, in the order of the C program's tables, with what the curves need: a range that real models
 * have, and the value at which a variable stands while another moves.
 */

export interface Variable {
  name: string
  help: string
  low: number
  high: number
  typical: number
  /** The axis is logarithmic. */
  log: boolean
  /** 0 or 1: drawn as two bars. */
  flag: boolean
}

const linear = (name: string, low: number, high: number, typical: number, help: string): Variable =>
  ({ name, help, low, high, typical, log: false, flag: false })
const log = (name: string, low: number, high: number, typical: number, help: string): Variable =>
  ({ name, help, low, high, typical, log: true, flag: false })
const flag = (name: string, help: string): Variable =>
  ({ name, help, low: 0, high: 1, typical: 0, log: false, flag: true })

const TENSOR = [
  linear('depth', 0, 1, 0.5, 'where its layer stands, from 0 (first) to 1 (last)'),
  linear('size', -4, 4, 0, 'logarithm (base 2) of its number of weights over the mean of all matrices'),
  log('kurt', 2, 30, 3, 'kurtosis of its weights: 3 where they are normally distributed, more where some stand out'),
  log('peak', 3, 60, 6, 'largest magnitude of its weights over their root mean square'),
  log('rms_act', 0.1, 10, 1, 'root mean square of its input’s values over the geometric mean of all matrices'),
  log('kurt_act', 2, 300, 10, 'kurtosis of its input’s values'),
  log('error', 0.01, 100, 1, 'its squared error at the probe type over the geometric mean of all matrices'),
  log('sens', 1e-5, 1e-1, 1e-3, 'measured divergence, in nats per token, when it alone is encoded at the probe type'),
  flag('is_q', '1 where it makes queries'),
  flag('is_k', '1 where it makes keys'),
  flag('is_v', '1 where it makes values'),
  flag('is_o', '1 of the attention’s output projection'),
  flag('is_gate', '1 of the FFN’s gate'),
  flag('is_up', '1 of the FFN’s up projection'),
  flag('is_down', '1 of the FFN’s down projection'),
  flag('is_embed', '1 of the token embedding'),
  flag('is_head', '1 of the output head'),
]
const CHANNEL = [
  log('act', 0.05, 20, 1, 'root mean square of the channel’s values over the geometric mean of the site’s channels'),
  log('act_max', 0.05, 20, 1, 'largest magnitude of the channel’s values over the geometric mean of that'),
  log('w', 0.2, 5, 1, 'root mean square of the weights that read the channel over the geometric mean of that'),
  log('w_max', 0.2, 5, 1, 'largest magnitude of the weights that read the channel over the geometric mean of that'),
]
const ELEMENT = [
  linear('x', -3, 3, 1, 'the weight, here in units of its block’s root mean square'),
  log('h', 0.05, 20, 1, 'mean square of the activation that the weight meets (importance)'),
  log('v', 0.1, 10, 1, 'mean square of the weights of its block'),
  log('a', 1, 10, 3, 'largest magnitude in its block'),
  log('r', 0.1, 10, 1, 'mean square of the weights of its row'),
]
const COLUMN = [
  log('h', 0.05, 20, 1, 'mean square of the activation that the column meets over the geometric mean of all columns'),
  log('w', 0.2, 5, 1, 'mean square of the column’s weights over the geometric mean of that'),
]

export interface GeneInfo {
  help: string
  /** The variables of a rule; null of other genes. */
  domain: Variable[] | null
  /** What the expression's value is; '' of other genes. */
  value: string
  human: string
  /** What a strategy has that does not write the gene. */
  otherwise: string
}

const gene = (otherwise: string, help: string, human: string, domain: Variable[] | null = null, value = ''): GeneInfo => ({ help, human, domain, value, otherwise })

/** Every gene: its default, what it does, and what people use. */
export const GENES: Record<string, GeneInfo> = {
  'alloc.price': gene('1', 'What an error in a tensor costs. Types are chosen so that the sum of price times error is least for the bytes that there are; only the ratios of prices matter.',
    'error * (1 + 5 * is_down + 0.25 * is_v + is_head * (2 - 0.5 * is_embed))', TENSOR, 'price'),
  'alloc.types': gene('[Q2_K Q3_K IQ4_XS Q4_K Q5_K Q6_K Q8_0]', 'The block types that tensors may get.', '[Q2_K Q3_K Q4_K Q5_K Q6_K]'),
  'alloc.pins': gene('{}', 'Types of single tensors, whatever their price.', '{}'),
  'fold.attn_in': gene('0', 'The log of the scale that moves each channel between the attention’s norm and the matrices that make queries, keys and values. The model computes the same; its rounding does not.',
    '0.5 * log(act)', CHANNEL, 'log scale'),
  'fold.attn_out': gene('0', 'The same for the channels between values and the attention’s output projection.', '0.5 * log(act)', CHANNEL, 'log scale'),
  'fold.ffn_in': gene('0', 'The same between the FFN’s norm and its gate and up projections.', '0.5 * log(act)', CHANNEL, 'log scale'),
  'fold.ffn_mid': gene('0', 'The same between the up projection’s rows and the down projection’s columns.', '0.5 * log(act)', CHANNEL, 'log scale'),
  'rotate.residual': gene('none', 'A rotation of the residual stream: it spreads channels that stand out over all of them.', 'none'),
  'rotate.value': gene('none', 'A rotation of each head’s values. It costs no bytes.', 'none'),
  'encode.weight': gene('h * sqrt(2 * v + x * x)', 'What the squared error of a weight counts when its block’s scale and codes are searched.', 'h * sqrt(2 * v + x * x)', ELEMENT, 'weight'),
  'encode.grid': gene('own', 'Which scales are tried for a block.', '{ lo: -0.9, hi: 0.9, steps: 36 }'),
  'encode.passes': gene('own', 'How often codes and scales are refined against each other.', '5'),
  'encode.bias': gene('1', 'A factor on the final scale of every block.', '1.0125'),
  'feedback.damp': gene('0', 'Error feedback (GPTQ): what rounding one column leaves over, the next ones absorb. The number is the damping; 0: off.', '0.01'),
  'feedback.order': gene('h', 'The order of the columns in error feedback: the highest value first.', 'h', COLUMN, 'rank value'),
  'feedback.refit': gene('0', 'How often every scale is fitted anew to all errors once all weights are rounded.', '0'),
  'cache.k': gene('F16', 'The type of the runtime’s cache of keys (-ctk).', 'F16'),
  'cache.v': gene('F16', 'The type of the runtime’s cache of values (-ctv).', 'F16'),
}
