// @ts-check
/** Make `<progrock-start>` and `<progrock-job>` known to the page. */

import "./job-element-define.js";
import { ProgRockStartElement } from "./start-element.js";

if (!customElements.get("progrock-start")) {
  customElements.define("progrock-start", ProgRockStartElement);
}
