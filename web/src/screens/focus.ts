/** Moves the focus over the rows of a list. */
export function moveFocus(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>(".list tbody tr[tabindex]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))]?.focus();
}
