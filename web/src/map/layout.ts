/**
 * Where the nodes stand: left to right by who asks whom, islands by group. What stands stays: nodes that have a place
 * keep it, new ones take a free place beside those they talk to. The same input gives the same places.
 */
import { added } from "./added";
import {
  APART,
  BETWEEN,
  byName,
  island,
  type LayoutInput,
  type LayoutNode,
  NODE_H,
  NODE_W,
  PAD,
  PITCH_X,
  PITCH_Y,
  type Positions,
  type Rect,
  TITLE,
} from "./cards";
import { ordered, ranks } from "./ranks";

interface Block extends Rect {
  group: string;
  nodes: LayoutNode[];
  /** Places within the block, by node. */
  at: Map<number, [number, number]>;
}

/** A place for every node: known ones keep theirs. */
export function layout(input: LayoutInput): Positions {
  const fresh = input.nodes.filter((node) => !input.known.has(node.id));
  if (fresh.length === input.nodes.length) return anew(input);
  const standing = new Set(input.nodes.filter((node) => input.known.has(node.id)).map((node) => node.group));
  const apart = fresh.filter((node) => !standing.has(node.group));
  if (apart.length < MANY) return added(input, fresh);
  const known = new Map([...input.known, ...below(input.known, apart, input.edges)]);
  return added({ ...input, known }, fresh.filter((node) => standing.has(node.group)));
}

/** So many nodes of groups that nobody stands of yet, as of namespaces that are opened, are laid out by themselves. */
const MANY = 8;

function below(known: Positions, nodes: LayoutNode[], edges: [number, number][]): Positions {
  const ids = new Set(nodes.map((node) => node.id));
  const places = anew({ nodes, edges: edges.filter(([a, b]) => ids.has(a) && ids.has(b)), known: new Map() });
  const [above, box] = [island(known.values()), island(places.values())];
  const [dx, dy] = [above.x - box.x, above.y + above.h + APART - box.y];
  return new Map([...places].map(([id, [x, y]]) => [id, [x + dx, y + dy]]));
}

function anew({ nodes, edges }: LayoutInput): Positions {
  const groupOf = new Map(nodes.map((node) => [node.id, node.group]));
  const members = new Map<string, LayoutNode[]>();
  for (const node of [...nodes].sort(byName)) {
    const list = members.get(node.group);
    if (list) list.push(node);
    else members.set(node.group, [node]);
  }
  const blocks = [...members].map(([group, list]) => blockOf(group, list, inside(edges, groupOf, group)));
  const rank = ranks(
    blocks.map((block) => block.group),
    between(edges, groupOf),
  );
  return arranged(blocks, rank, edges, groupOf);
}

function inside(edges: [number, number][], groupOf: Map<number, string>, group: string): [number, number][] {
  return edges.filter(([a, b]) => a !== b && groupOf.get(a) === group && groupOf.get(b) === group);
}

function between(edges: [number, number][], groupOf: Map<number, string>): [string, string][] {
  const pairs: [string, string][] = [];
  for (const [a, b] of edges) {
    const [from, to] = [groupOf.get(a), groupOf.get(b)];
    if (from !== undefined && to !== undefined && from !== to) pairs.push([from, to]);
  }
  return pairs;
}

function blockOf(group: string, nodes: LayoutNode[], edges: [number, number][]): Block {
  const rank = ranks(
    nodes.map((node) => node.id),
    edges,
  );
  const most = Math.max(4, Math.ceil(Math.sqrt(nodes.length) * 1.3));
  const byRank: number[][] = [];
  for (const node of nodes) (byRank[rank.get(node.id) ?? 0] ??= []).push(node.id);
  ordered(byRank, edges);
  // a column too long is several
  const columns = byRank.flatMap((column) => {
    const parts = Math.ceil(column.length / most);
    const size = Math.ceil(column.length / parts);
    return Array.from({ length: parts }, (_, i) => column.slice(i * size, (i + 1) * size));
  });
  stacked(columns);
  const rows = Math.max(...columns.map((column) => column.length));
  const at = new Map<number, [number, number]>();
  columns.forEach((column, i) => {
    const top = Math.floor((rows - column.length) / 2);
    column.forEach((id, j) => at.set(id, [PAD + i * PITCH_X, PAD + TITLE + (top + j) * PITCH_Y]));
  });
  const w = PAD * 2 + (columns.length - 1) * PITCH_X + NODE_W;
  const h = PAD * 2 + TITLE + (rows - 1) * PITCH_Y + NODE_H;
  return { group, nodes, at, x: 0, y: 0, w, h };
}

const LONGEST = 4;

/** A long row of short columns, as of places that all ask each other, is stacked two by two until it is no row. */
function stacked(columns: number[][]): void {
  const tallest = (): number => Math.max(...columns.map((column) => column.length));
  while (columns.length > LONGEST && columns.length * PITCH_X > 3 * (tallest() + 1) * PITCH_Y)
    for (let i = 0; i < columns.length - 1; i++) columns.splice(i, 2, [...columns[i], ...columns[i + 1]]);
}

const last = (group: string): boolean => group === "outside";

function arranged(
  blocks: Block[],
  rank: Map<string, number>,
  edges: [number, number][],
  groupOf: Map<number, string>,
): Positions {
  const most = Math.max(0, ...blocks.filter((block) => !last(block.group)).map((block) => rank.get(block.group) ?? 0));
  const columns: Block[][] = [];
  for (const block of blocks) (columns[last(block.group) ? most + 1 : (rank.get(block.group) ?? 0)] ??= []).push(block);
  const packed = folded(columns.filter(Boolean).flatMap((column) => split(column)));
  const weight = new Map<string, number>();
  for (const [from, to] of between(edges, groupOf)) {
    const key = `${from}\n${to}`;
    weight.set(key, (weight.get(key) ?? 0) + 1);
  }
  const middle = (block: Block): number => {
    let [sum, n] = [0, 0];
    for (const other of packed.flat()) {
      const w =
        (weight.get(`${block.group}\n${other.group}`) ?? 0) + (weight.get(`${other.group}\n${block.group}`) ?? 0);
      sum += w * (other.y + other.h / 2);
      n += w;
    }
    return n ? sum / n : block.y;
  };
  const tall = Math.max(...packed.map((column) => column.reduce((sum, block) => sum + block.h + APART, -APART)));
  const pile = (): void => {
    for (const column of packed) {
      const h = column.reduce((sum, block) => sum + block.h + APART, -APART);
      let y = Math.round((tall - h) / 2);
      for (const block of column) {
        block.y = y;
        y += block.h + APART;
      }
    }
  };
  pile();
  for (let sweep = 0; sweep < 4; sweep++) {
    for (const column of packed) {
      const keys = new Map(column.map((block) => [block, middle(block)]));
      column.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
    }
    pile();
  }
  let x = 0;
  for (const column of packed) {
    const w = Math.max(...column.map((block) => block.w));
    for (const block of column) block.x = x;
    x += w + BETWEEN;
  }
  beneath(packed, edges, groupOf);
  const found: Positions = new Map();
  for (const block of packed.flat()) for (const [id, [dx, dy]] of block.at) found.set(id, [block.x + dx, block.y + dy]);
  return found;
}

/** An island narrower than its column stands where those it talks to are. */
function beneath(columns: Block[][], edges: [number, number][], groupOf: Map<number, string>): void {
  const where = new Map<number, Block>();
  for (const block of columns.flat()) for (const id of block.at.keys()) where.set(id, block);
  for (const column of columns) {
    const w = Math.max(...column.map((block) => block.w));
    const x = Math.min(...column.map((block) => block.x));
    for (const block of column) {
      if (block.w > w - PITCH_X / 2) continue;
      let [sum, n] = [0, 0];
      for (const [a, b] of edges) {
        if (groupOf.get(a) === groupOf.get(b)) continue;
        const other = where.get(a) === block ? b : where.get(b) === block ? a : null;
        const home = other === null ? undefined : where.get(other);
        if (other === null || !home) continue;
        sum += home.x + (home.at.get(other) as [number, number])[0] + NODE_W / 2;
        n += 1;
      }
      if (n) block.x = Math.round(Math.min(x + w - block.w, Math.max(x, sum / n - block.w / 2)));
    }
  }
}

const WIDEST = 2;

/** A row of islands too wide for a screen: what only answers stands below those that ask, not beside them. */
function folded(columns: Block[][]): Block[][] {
  const wide = (column: Block[]): number => Math.max(...column.map((block) => block.w)) + BETWEEN;
  const tall = (column: Block[]): number => column.reduce((sum, block) => sum + block.h + APART, -APART);
  const all = [...columns];
  for (;;) {
    const w = all.reduce((sum, column) => sum + wide(column), 0);
    const h = Math.max(...all.map(tall));
    // never the first column, which asks, and never what is outside
    const movable = all.slice(2).filter((column) => !column.some((block) => last(block.group)));
    const least = movable.sort((a, b) => tall(a) - tall(b))[0];
    if (w / h <= WIDEST || !least) return all;
    const at = all.indexOf(least);
    const below = all[at - 1];
    const higher = Math.max(h, tall(below) + tall(least) + APART);
    if ((w - wide(least)) / higher < 1.1) return all;
    below.push(...least);
    all.splice(at, 1);
  }
}

/** A stack of islands too tall for a screen is several. */
function split(column: Block[]): Block[][] {
  const area = column.reduce((sum, block) => sum + (block.w + APART) * (block.h + APART), 0);
  const tallest = Math.max(...column.map((block) => block.h), 900, Math.sqrt(area) * 0.9);
  const found: Block[][] = [[]];
  let h = 0;
  for (const block of column) {
    if (h && h + block.h > tallest) {
      found.push([]);
      h = 0;
    }
    found[found.length - 1].push(block);
    h += block.h + APART;
  }
  return found;
}
