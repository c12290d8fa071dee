/** Time of the processor, ms: what else the machine does is not counted. */
export function cpuMs(): number {
  const { user } = (globalThis as unknown as { process: { cpuUsage: () => { user: number } } }).process.cpuUsage();
  return user / 1000;
}
