/** Questions over HTTP. What the server says of an error is shown as it is: a sentence and a way on. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Pair, queryOf } from "./url";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly wayOn: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The server's answer. Throws ApiError. */
export async function ask<T>(path: string, pairs: Pair[] = [], stop?: AbortSignal): Promise<T> {
  const query = queryOf(pairs);
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/${path}${query && `?${query}`}`, { signal: stop, credentials: "same-origin" });
  } catch (error) {
    if (stop?.aborted) throw error;
    throw new ApiError("the server does not answer", "see whether rubin still runs", 0);
  }
  let body: unknown;
  try {
    body = await answer.json();
  } catch {
    throw new ApiError(`the server answered ${answer.status} without words`, "its log says more", answer.status);
  }
  if (answer.ok) return body as T;
  const told = body as { error?: string; way_on?: string };
  throw new ApiError(told.error ?? `the server answered ${answer.status}`, told.way_on ?? "", answer.status);
}

export interface Asked<T> {
  data: T | null;
  error: ApiError | null;
  /** Whether an answer to the present question is still waited for. */
  waiting: boolean;
}

/** The answer to a question, asked again every so many ms (0: once); "" as path asks nothing. */
export function useAsk<T>(path: string, pairs: Pair[], everyMs = 0): Asked<T> {
  const [state, set] = useState<Asked<T>>({ data: null, error: null, waiting: true });
  const question = `${path}?${queryOf(pairs)}`;
  const shown = useRef("");
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async (): Promise<void> => {
      try {
        const data = await ask<T>(path, pairs, stop.signal);
        shown.current = question;
        set({ data, error: null, waiting: false });
      } catch (error) {
        if (stop.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(String(error), "", 0);
        set((before) => ({ data: shown.current === question ? before.data : null, error: told, waiting: false }));
      }
      if (everyMs && !stop.signal.aborted) timer = setTimeout(once, document.hidden ? everyMs * 5 : everyMs);
    };
    set((before) => ({ data: before.data, error: null, waiting: true }));
    if (path) void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [question, everyMs]);
  return state;
}
