// @ts-check
/** The page of one job: for who may see it by their own right, or by the token of a share link. */

import { find, pageData } from "./dom.js";
import { JobPage } from "./job-page/page.js";
import { openPage } from "./page.js";

/** @type {import("./job-page/page.js").Setting} */
const setting = pageData("job-setting");
const shared = new URLSearchParams(location.hash.slice(1)).get("share") ?? undefined;
const signIn = document.querySelector("#sign-in");

if (setting.snapshot || shared) {
  // Who may see the job anyhow needs no token, and may do more.
  const token = setting.snapshot ? undefined : shared;
  const { client, announcer, complain } = openPage(token);
  client.addEventListener("refused", () => complain("")); // the page says more of it
  new JobPage(find(document, "#job", HTMLElement), setting, { client, announcer, token }).begin();
  client.connect();
} else if (signIn instanceof HTMLAnchorElement) {
  location.replace(signIn.href);
}
