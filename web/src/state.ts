/* What the reader chose: the selected individual and the one it is compared with, by id, so that they outlive every new document. */

export interface Choice {
  selected: number | null
  compared: number | null
}

type Listener = () => void
const listeners: Listener[] = []
/** The reader's own choices; null: follow what the run offers. */
const chosen: Choice = { selected: null, compared: null }
/** What the page shows now. */
export const choice: Choice = { selected: null, compared: null }

export function onChoice(listener: Listener): void {
  listeners.push(listener)
}

function set(next: Partial<Choice>): void {
  const before = { ...choice }
  Object.assign(choice, next)
  if (before.selected !== choice.selected || before.compared !== choice.compared) for (const listener of listeners) listener()
}

export function select(id: number): void {
  chosen.selected = id
  set({ selected: id })
}

export function compare(id: number): void {
  chosen.compared = id
  set({ compared: id })
}

/** After a new document: the reader's choices where they exist, what the run offers otherwise. */
export function offer(selected: number | null, compared: number | null, exists: (id: number) => boolean): void {
  const own = (id: number | null, otherwise: number | null) => (id !== null && exists(id) ? id : otherwise)
  choice.selected = own(chosen.selected, selected)
  choice.compared = own(chosen.compared, compared)
}
