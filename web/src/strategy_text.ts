/* A strategy's text as genes: each line `GENE = VALUE`, where a value in braces may go over several lines. */

export interface GeneText {
  gene: string
  value: string
  /** Of pins: tensor and type, one after another. */
  pins: [string, string][]
}

export function readGenes(lines: string[]): GeneText[] {
  const genes: GeneText[] = []
  let open: GeneText | null = null
  for (const line of lines.flatMap((text) => text.split('\n'))) {
    if (open) {
      open.value += '\n' + line
      if (line.trim() === '}' || line.trim() === ']') open = null
      continue
    }
    const equals = line.indexOf('=')
    const gene = equals < 0 ? '' : line.slice(0, equals).trim()
    if (!/^[a-z]+\.[a-z_]+$/.test(gene)) continue
    const found: GeneText = { gene, value: line.slice(equals + 1).trim(), pins: [] }
    genes.push(found)
    if (/^[{[]/.test(found.value) && !/[}\]]\s*$/.test(found.value)) open = found
  }
  for (const gene of genes) if (gene.gene === 'alloc.pins') gene.pins = readPins(gene.value)
  return genes
}

function readPins(value: string): [string, string][] {
  const pins: [string, string][] = []
  for (const found of value.matchAll(/("(?:[^"\\]|\\.)*"|[A-Za-z0-9._-]+):\s*([A-Za-z0-9_]+)/g))
    pins.push([found[1].replace(/^"|"$/g, ''), found[2]])
  return pins
}

/** What one text has and the other has not, gene by gene; for the line of descent. */
export function genesBetween(parent: GeneText[], child: GeneText[]): string[] {
  const changes: string[] = []
  const before = new Map(parent.map((g) => [g.gene, g]))
  for (const g of child) {
    const old = before.get(g.gene)
    before.delete(g.gene)
    if (old?.value === g.value) continue
    if (g.gene === 'alloc.pins') changes.push(...pinsBetween(old?.pins ?? [], g.pins))
    else changes.push(`${g.gene} = ${g.value}`)
  }
  for (const old of before.values()) changes.push(old.gene === 'alloc.pins' ? `no pins (there were ${old.pins.length})` : `${old.gene} back to its default`)
  return changes
}

function pinsBetween(old: [string, string][], now: [string, string][]): string[] {
  if (old.length === 0 && now.length > 4) return [`pins for ${now.length} tensors`]
  const before = new Map(old)
  const changed: string[] = []
  for (const [tensor, type] of now) {
    const was = before.get(tensor)
    if (was !== type) changed.push(`${tensor.replace(/\.weight$/, '')}: ${was ? was + ' → ' : ''}${type}`)
    before.delete(tensor)
  }
  for (const tensor of before.keys()) changed.push(`${tensor.replace(/\.weight$/, '')}: not pinned`)
  if (changed.length <= 4) return changed
  return [...changed.slice(0, 3), `and ${changed.length - 3} more pins`]
}
