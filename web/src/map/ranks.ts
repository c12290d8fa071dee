/** Columns and the order within them: who asks stands left of who answers, neighbours near each other. */

/** The longest path to each from where nobody asks; edges that close a circle are left out. */
export function ranks<K>(keys: K[], edges: [K, K][]): Map<K, number> {
  const next = new Map<K, Map<K, number>>(keys.map((key) => [key, new Map<K, number>()]));
  const asked = new Map<K, number>(keys.map((key) => [key, 0]));
  for (const [a, b] of edges) {
    const row = next.get(a);
    if (!row || !next.has(b)) continue;
    row.set(b, (row.get(b) ?? 0) + 1);
  }
  // of two that ask each other the busier direction counts
  for (const [a, row] of next) for (const [b, n] of row) if ((next.get(b)?.get(a) ?? 0) > n) row.delete(b);
  for (const row of next.values()) for (const b of row.keys()) asked.set(b, (asked.get(b) ?? 0) + 1);
  const rank = new Map<K, number>();
  const open = new Set<K>();
  const order: K[] = [];
  const roots = [...keys].sort((a, b) => (asked.get(a) ?? 0) - (asked.get(b) ?? 0));
  for (const root of roots) {
    if (rank.has(root)) continue;
    const stack: [K, Iterator<K>][] = [[root, [...(next.get(root)?.keys() ?? [])].values()]];
    rank.set(root, 0);
    open.add(root);
    while (stack.length) {
      const [key, rest] = stack[stack.length - 1];
      const step = rest.next();
      if (step.done) {
        stack.pop();
        open.delete(key);
        order.push(key);
      } else if (open.has(step.value)) next.get(key)?.delete(step.value);
      else if (!rank.has(step.value)) {
        rank.set(step.value, 0);
        open.add(step.value);
        stack.push([step.value, [...(next.get(step.value)?.keys() ?? [])].values()]);
      }
    }
  }
  for (const key of order.reverse())
    for (const to of next.get(key)?.keys() ?? []) rank.set(to, Math.max(rank.get(to) ?? 0, (rank.get(key) ?? 0) + 1));
  return rank;
}

const SWEEPS = 8;

/** Orders each column by the middle of the neighbours' places. */
export function ordered(columns: number[][], edges: [number, number][]): void {
  const row = new Map<number, number>();
  for (const column of columns) column.forEach((id, i) => row.set(id, i - column.length / 2));
  const near = new Map<number, number[]>();
  for (const [a, b] of edges) {
    near.set(a, [...(near.get(a) ?? []), b]);
    near.set(b, [...(near.get(b) ?? []), a]);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const middle = new Map(
        column.map((id) => {
          const others = (near.get(id) ?? []).map((other) => row.get(other) ?? 0);
          return [id, others.length ? others.reduce((a, b) => a + b, 0) / others.length : (row.get(id) ?? 0)];
        }),
      );
      column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
      column.forEach((id, i) => row.set(id, i - column.length / 2));
    }
  }
}
