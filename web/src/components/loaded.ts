import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { explain } from "../explain.ts";

/** Something of the server: null until it is there, and what went wrong instead; `reload` asks again. */
export interface Loaded<T> {
  value: T | null;
  problem: string;
  reload: () => Promise<void>;
}

/** `read` has to be the same function each time. */
export function useLoaded<T>(read: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const reload = useCallback(async (): Promise<void> => {
    try {
      setValue(await read());
      setProblem("");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(explain(error));
    }
  }, [read]);
  useEffect(() => void reload(), [reload]);
  return { value, problem, reload };
}
