/*
 * Following a run: the same page served by `wildtype watch` asks for data.json again and again, with the tag of what it has, so that an
 * unchanged run costs a few bytes. From a file nothing is ever fetched, nor by a report that somebody put on a web server: such a page
 * carries its own policy, which allows no connection.
 */
const EVERY = 2000
const ENDED_EVERY = 10000
const SLOWEST = 30000

export interface PollOptions {
  /** Whether the document that came is of a run that goes on. */
  take: (value: unknown) => boolean
  /** '': all is well. */
  trouble: (text: string) => void
  /** Whether the page shows a document already. */
  has: () => boolean
}

export function startPolling(options: PollOptions): void {
  if (location.protocol !== 'http:' && location.protocol !== 'https:') return
  if (options.has() && document.querySelector('meta[http-equiv="Content-Security-Policy"]')) return
  let tag = '', failures = 0, running = true, timer = 0, busy = false

  const again = () => {
    clearTimeout(timer)
    const wait = failures > 0 ? Math.min(SLOWEST, EVERY * 2 ** (failures - 1)) : running ? EVERY : ENDED_EVERY
    if (!document.hidden) timer = window.setTimeout(() => void ask(), wait)
  }
  const ask = async () => {
    if (busy) return
    busy = true
    try {
      const answer = await fetch('data.json', { headers: tag ? { 'If-None-Match': tag } : {}, cache: 'no-store' })
      if (answer.status === 404 && options.has()) return
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`)
        running = options.take(await answer.json())
        tag = answer.headers.get('ETag') ?? ''
      }
      if (failures > 0) options.trouble('')
      failures = 0
    } catch (error) {
      failures++
      options.trouble(`The run cannot be reached (${error instanceof Error ? error.message : String(error)}); trying again.`)
    } finally {
      busy = false
    }
    again()
  }
  document.addEventListener('visibilitychange', () => { if (!document.hidden) void ask() })
  if (options.has()) again()
  else void ask()
}
