/** The provider's script, whose widget gives a challenge token: Cloudflare Turnstile, or what has its `render` and `remove`. */

/** What the server says of the widget; `action` is what a token of it allows. */
export interface Widget {
  siteKey: string;
  scriptUrl: string;
  action: string;
}

/** What becomes of a widget. A token holds once and for minutes. */
export interface Outcome {
  passed: (token: string) => void;
  expired: () => void;
  failed: () => void;
}

interface Provider {
  render: (container: HTMLElement, options: Record<string, unknown>) => string;
  remove: (id: string) => void;
}

/** Where the script leaves what it has to offer. */
const page = globalThis as { turnstile?: Provider };

let loading: Promise<Provider> | null = null;

/** Shows the widget; the answer takes it away. Rejects if the script does not come or does not take what it is told. */
export async function show({ siteKey, scriptUrl, action }: Widget, container: HTMLElement, { passed, expired, failed }: Outcome): Promise<() => void> {
  const provider = await load(scriptUrl);
  const id = provider.render(container, {
    sitekey: siteKey,
    action,
    size: "flexible",
    "response-field": false,
    callback: passed,
    "expired-callback": expired,
    "timeout-callback": expired,
    "unsupported-callback": failed,
    "error-callback": () => {
      failed();
      return true; // it is told here, and need not be in the console
    },
  });
  return () => provider.remove(id);
}

/** Nothing is loaded before the first widget is wanted. What did not come is asked for again the next time. */
function load(url: string): Promise<Provider> {
  loading ??= fetchScript(url).catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

function fetchScript(url: string): Promise<Provider> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const fail = (): void => {
      script.remove();
      reject(new Error(`no widget at ${url}`));
    };
    script.onload = () => (page.turnstile ? resolve(page.turnstile) : fail());
    script.onerror = fail;
    script.src = url;
    document.head.append(script);
  });
}
