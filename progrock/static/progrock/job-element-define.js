// @ts-check
/** Make `<progrock-job>` known to the page: `<script type="module" src="…/job-element-define.js">` */

import { ProgRockJobElement } from "./job-element.js";

if (!customElements.get("progrock-job")) {
  customElements.define("progrock-job", ProgRockJobElement);
}
