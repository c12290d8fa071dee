/**
 * The table of flows: some forty rows of the document, written anew as one scrolls. The newest is at the bottom; whoever
 * has scrolled up stays where they are, whatever comes.
 */
import type { ColumnWord } from "../state";
import { cell, ERROR, filterOf, filterValue, VERDICTS } from "./cells";
import { type FlowRing, GAP, kept, type Restriction, TextSearch } from "./ring";
import { shown } from "./shown";

const SPARE = 6;
const STILL_PX = 4;

export interface TableEvents {
  select: (uuid: string, open: boolean) => void;
  filter: (name: string, value: string, how: "include" | "exclude" | "only") => void;
  status: (status: TableStatus) => void;
}
export interface TableStatus {
  shown: number;
  held: number;
  fresh: number;
  following: boolean;
  matches: number;
  filterMs: number;
}

interface Row {
  root: HTMLElement;
  cells: HTMLElement[];
  row: number;
}
/** A cell that is pointed at. */
interface Spot {
  row: number;
  column: ColumnWord | undefined;
  x: number;
  y: number;
}

export class FlowTable {
  readonly ring: FlowRing;
  private columns: ColumnWord[] = [];
  private want: Restriction = { text: "", verdicts: null, pairs: false };
  private find = "";
  private onlyFound = false;
  private readonly search = new TextSearch();
  private rows: Float64Array | null = null;
  private pool: Row[] = [];
  private following = true;
  private seen = 0;
  private active = -1;
  private selected = "";
  private utc = false;
  private frame = 0;
  private rowHeight = 24;
  private filterMs = 0;
  private readonly spacer = document.createElement("div");
  private readonly head = document.createElement("div");
  private readonly watch: ResizeObserver;
  private pressed: Spot | null = null;
  /** Where we have scrolled to ourselves. */
  private set = 0;

  constructor(
    private readonly root: HTMLElement,
    ring: FlowRing,
    private readonly on: TableEvents,
  ) {
    this.ring = ring;
    root.setAttribute("role", "grid");
    root.tabIndex = 0;
    this.head.className = "flow-head";
    this.head.setAttribute("role", "row");
    this.spacer.className = "flow-spacer";
    this.spacer.setAttribute("role", "rowgroup");
    root.append(this.head, this.spacer);
    root.addEventListener("scroll", () => this.scrolled());
    root.addEventListener("pointerdown", (event) => {
      this.pressed = this.spot(event);
    });
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("dblclick", () => this.open());
    root.addEventListener("pointerover", ({ target }) => {
      // what is cut off can be read; set for all rows this would cost as much as their texts
      if (target instanceof HTMLElement && target.role === "gridcell") target.title = target.textContent ?? "";
    });
    this.watch = new ResizeObserver(() => this.sizes());
    this.watch.observe(root);
  }

  destroy(): void {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
  }

  setColumns(columns: ColumnWord[]): void {
    this.columns = columns;
    const widths = columns.map(({ width, name }) => Math.max(width, name === "verdict" ? 13 : 0) + 2);
    const tracks = columns.map(({ name }, i) =>
      /summary|l7/.test(name) ? `minmax(${widths[i]}ch, 1fr)` : `${widths[i]}ch`,
    );
    this.root.style.setProperty("--tracks", tracks.join(" "));
    this.root.style.setProperty("--least", `${widths.reduce((sum, width) => sum + width, 0)}ch`);
    this.head.replaceChildren(
      ...columns.map((column, i) => {
        const made = document.createElement("div");
        made.setAttribute("role", "columnheader");
        made.setAttribute("aria-colindex", String(i + 1));
        made.className = column.align === "right" ? "number" : "";
        made.textContent = column.title;
        return made;
      }),
    );
    this.root.setAttribute("aria-colcount", String(columns.length));
    for (const row of this.pool) row.root.remove();
    this.pool = [];
    this.sizes();
  }

  setRestriction(want: Restriction): void {
    this.want = want;
    this.changed();
  }

  setFind(text: string, only: boolean): void {
    this.find = text;
    this.onlyFound = only;
    this.changed();
  }

  setLook(utc: boolean, selected: string): void {
    [this.utc, this.selected] = [utc, selected];
    this.ask();
  }

  /** The rows are of another question: what was active is gone, and the newest are followed. */
  anew(): void {
    this.active = -1;
    this.pressed = null;
    this.following = true;
  }

  /** The ring has other rows. */
  changed(): void {
    const began = performance.now();
    const text = this.onlyFound ? this.find : this.want.text;
    this.rows = kept(this.ring, { ...this.want, text }, this.search);
    this.filterMs = performance.now() - began;
    if (this.following) this.seen = this.ring.added;
    this.ask();
  }

  get shown(): number {
    return this.rows ? this.rows.length : this.ring.size;
  }

  private rowAt(index: number): number {
    return this.rows ? this.rows[index] : this.ring.oldest + index;
  }

  /** The index of a row, or of the next newer one. */
  private indexOf(row: number): number {
    if (!this.rows) return Math.max(0, row - this.ring.oldest);
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle] < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private anchor = { row: 0, offset: 0 };

  private sizes(): void {
    const style = getComputedStyle(this.root);
    this.rowHeight = Number.parseFloat(style.getPropertyValue("--row")) || 24;
    const wanted = Math.ceil(this.root.clientHeight / this.rowHeight) + 2 * SPARE;
    while (this.pool.length < wanted) this.pool.push(this.newRow());
    while (this.pool.length > wanted) this.pool.pop()?.root.remove();
    this.ask();
  }

  private newRow(): Row {
    const root = document.createElement("div");
    root.className = "flow-row";
    root.setAttribute("role", "row");
    const cells = this.columns.map((column, i) => {
      const made = document.createElement("div");
      made.setAttribute("role", "gridcell");
      made.setAttribute("aria-colindex", String(i + 1));
      made.className = column.align === "right" ? "number" : "";
      root.append(made);
      return made;
    });
    this.spacer.append(root);
    return { root, cells, row: -1 };
  }

  private ask(): void {
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  private scrolled(): void {
    if (Math.abs(this.root.scrollTop - this.set) >= 1) {
      const bottom = this.root.scrollHeight - this.root.clientHeight - this.root.scrollTop;
      this.following = bottom < this.rowHeight;
      this.stay(this.root.scrollTop);
      if (this.following) this.seen = this.ring.added;
    }
    this.ask();
  }

  /** What is seen from there on stays in sight, whatever comes. */
  private stay(top: number): void {
    const index = Math.floor(top / this.rowHeight);
    this.anchor = { row: this.shown ? this.rowAt(Math.min(index, this.shown - 1)) : 0, offset: top % this.rowHeight };
  }

  private scrollTo(top: number): void {
    if (Math.abs(this.root.scrollTop - top) >= 1) this.root.scrollTop = top;
    this.set = this.root.scrollTop; // which may be less: there is no more
  }

  private paint(): void {
    this.frame = 0;
    const { shown, rowHeight } = this;
    this.spacer.style.height = `${shown * rowHeight}px`;
    this.root.setAttribute("aria-rowcount", String(shown + 1));
    // what leaves the ring at the top must not push what is read
    if (this.following) this.scrollTo(Math.max(0, this.root.scrollHeight - this.root.clientHeight));
    else this.scrollTo(this.indexOf(this.anchor.row) * rowHeight + this.anchor.offset);
    const first = Math.max(0, Math.floor(this.root.scrollTop / rowHeight) - SPARE);
    const marks = this.find ? this.search.marks(this.ring.texts, this.find) : null;
    // by its number, so that what stays in sight keeps its element and is not written anew
    this.pool.forEach((_, i) => this.write(this.pool[(first + i) % this.pool.length], first + i, marks));
    const fresh = this.following ? 0 : this.shown - this.indexOf(this.seen);
    this.on.status({
      shown,
      held: this.ring.size,
      fresh,
      following: this.following,
      matches: marks ? this.countFound(marks) : 0,
      filterMs: this.filterMs,
    });
  }

  private countFound(marks: Uint8Array): number {
    let found = 0;
    for (let i = 0; i < this.shown; i++) if (this.isFound(this.rowAt(i), marks)) found += 1;
    return found;
  }

  private isFound(row: number, marks: Uint8Array): boolean {
    const { columns } = this.ring;
    const place = this.ring.place(row);
    return (
      marks[columns.source[place]] === 1 ||
      marks[columns.destination[place]] === 1 ||
      marks[columns.summary[place]] === 1 ||
      marks[columns.source_ip[place]] === 1 ||
      marks[columns.destination_ip[place]] === 1 ||
      marks[columns.l7[place]] === 1 ||
      marks[columns.process[place]] === 1 ||
      marks[columns.reason[place]] === 1
    );
  }

  private write(slot: Row, index: number, marks: Uint8Array | null): void {
    const { root, cells } = slot;
    if (index >= this.shown) {
      root.hidden = true;
      slot.row = -1;
      return;
    }
    const row = this.rowAt(index);
    const place = this.ring.place(row);
    slot.row = row;
    root.hidden = false;
    root.style.transform = `translateY(${index * this.rowHeight}px)`;
    root.id = `flow-row-${row}`;
    root.setAttribute("aria-rowindex", String(index + 2));
    const verdict = this.ring.columns.verdict[place];
    const loss = this.ring.columns.is_loss[place] > 0;
    const uuid = this.ring.uuid(place);
    const chosen = uuid === this.selected || row === this.active;
    const style = loss
      ? "loss"
      : `v-${(VERDICTS[verdict] ?? VERDICTS[0]).style}${verdict === 2 || verdict === ERROR ? " bad" : ""}`;
    const found = marks && !this.onlyFound && this.isFound(row, marks) ? " found" : "";
    const name = `flow-row ${style}${chosen ? " chosen" : ""}${found}`;
    if (root.className !== name) root.className = name;
    root.setAttribute("aria-selected", String(chosen));
    this.columns.forEach((column, i) => {
      const text = shown(loss ? this.lossCell(column.name, place) : cell(column.name, this.ring, place, this.utc));
      if (cells[i].textContent !== text) cells[i].textContent = text;
    });
  }

  private lossCell(column: string, place: number): string {
    if (column === "time") return cell("time", this.ring, place, this.utc);
    if (column === "verdict") return this.ring.columns.is_loss[place] === GAP ? "⋯ GAP" : "× LOST";
    return column === "summary" ? this.ring.text("summary", place) : "";
  }

  private spot(event: MouseEvent): Spot | null {
    const target = (event.target as HTMLElement).closest<HTMLElement>("[role=gridcell]");
    const slot = this.pool.find((each) => each.root === target?.parentElement);
    if (!target || !slot || slot.row < 0) return null;
    return { row: slot.row, column: this.columns[slot.cells.indexOf(target)], x: event.clientX, y: event.clientY };
  }

  /** What was pressed, which may have moved on since under a pointer that stood still: the newest are followed. */
  private clicked(event: MouseEvent): void {
    const { pressed } = this;
    this.pressed = null;
    const still = pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < STILL_PX;
    const spot = still ? pressed : this.spot(event);
    if (!spot || spot.row < this.ring.oldest) return;
    this.active = spot.row;
    const place = this.ring.place(spot.row);
    const filter = spot.column ? filterOf(spot.column, this.ring, place) : "";
    const value = spot.column && filter ? filterValue(spot.column.name, this.ring, place, this.utc) : "";
    if (value && event.shiftKey) this.on.filter(filter, value, "exclude");
    else if (value && event.altKey) this.on.filter(filter, value, "only");
    else this.on.select(this.ring.uuid(place), true);
    this.ask();
  }

  /** Moves what is active; the view goes with it, and no longer with the newest. */
  move(by: number): void {
    if (!this.shown) return;
    const from = this.active < 0 ? (by > 0 ? -1 : this.shown) : this.indexOf(this.active);
    this.to(Math.min(this.shown - 1, Math.max(0, from + by)));
  }

  private to(index: number): void {
    this.active = this.rowAt(index);
    this.root.setAttribute("aria-activedescendant", `flow-row-${this.active}`);
    const [row, height] = [index * this.rowHeight, this.root.clientHeight - this.head.offsetHeight];
    this.following = false;
    this.stay(Math.min(row, Math.max(this.root.scrollTop, row + this.rowHeight - height)));
    this.on.select(this.activeUuid(), false);
    this.ask();
  }

  top(): void {
    if (this.shown) this.to(0);
  }

  follow(): void {
    this.following = true;
    this.active = -1;
    this.seen = this.ring.added;
    this.ask();
  }

  /** The next row that the search finds, or the one before. */
  next(by: 1 | -1): void {
    const marks = this.find ? this.search.marks(this.ring.texts, this.find) : null;
    if (!marks) return;
    const from = this.active < 0 ? (by > 0 ? -1 : this.shown) : this.indexOf(this.active);
    for (let i = 1; i <= this.shown; i++) {
      const index = (from + by * i + this.shown * 2) % this.shown;
      if (this.isFound(this.rowAt(index), marks)) return this.to(index);
    }
  }

  activeUuid(): string {
    return this.active >= this.ring.oldest && this.active < this.ring.added
      ? this.ring.uuid(this.ring.place(this.active))
      : "";
  }

  open(): void {
    const uuid = this.activeUuid();
    if (uuid) this.on.select(uuid, true);
  }

  /** A column's filter and value of the active row. */
  activeValue(column: string): [string, string] | null {
    const found = this.columns.find((each) => each.name === column);
    if (!found || this.active < this.ring.oldest) return null;
    const place = this.ring.place(this.active);
    const filter = filterOf(found, this.ring, place);
    const value = filter ? filterValue(column, this.ring, place, this.utc) : "";
    return value ? [filter, value] : null;
  }
}
