/** What guests may not do leads to signing in, and back to where one was. */

import { tellOnce } from "./notice.ts";
import { navigate, withReturn } from "./router.ts";
import { text } from "./text.ts";

/** Where one signs in and comes back here. */
export const signInPath = (): string => withReturn("/login", location.pathname + location.search);

/** The server wants somebody with an account for what was just tried. */
export const offerSignIn = (): void => tellOnce(text.unlock.needed, { label: text.login.signIn, run: () => navigate(signInPath()) });
