import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { refusalOf, type Refusal } from "../explain.ts";

/** Something of the server: null until it is there, and what went wrong instead; `reload` asks again. */
export interface Loaded<T> {
  value: T | null;
  refusal: Refusal | null;
  reload: () => Promise<void>;
}

/** `read` has to be the same function each time. */
export function useLoaded<T>(read: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const reload = useCallback(async (): Promise<void> => {
    try {
      setValue(await read());
      setRefusal(null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setRefusal(refusalOf(error));
    }
  }, [read]);
  useEffect(() => void reload(), [reload]);
  return { value, refusal, reload };
}
