#!/bin/sh
# Make progrock/static/progrock/vendor/ anew: `make vendor`. Needs npm; nothing that is served does.
# One ES module for each library, minified, with its licence; the versions are pinned here.
set -eu
LIT=3.3.3
UPLOT=1.6.32
ESBUILD=0.25.12

here=$(cd "$(dirname "$0")/.." && pwd)
vendor=$here/progrock/static/progrock/vendor
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cd "$build"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund "lit@$LIT" "uplot@$UPLOT" "esbuild@$ESBUILD"

# Not styleMap: it begins with a style attribute, which the policy blocks; .style=${text} is let pass.
cat >lit.mjs <<'END'
export * from "lit";
export { classMap } from "lit/directives/class-map.js";
export { guard } from "lit/directives/guard.js";
export { ifDefined } from "lit/directives/if-defined.js";
export { keyed } from "lit/directives/keyed.js";
export { live } from "lit/directives/live.js";
export { createRef, ref } from "lit/directives/ref.js";
export { repeat } from "lit/directives/repeat.js";
END
echo 'export { default } from "uplot";' >uplot.mjs
for library in lit uplot; do
  npx --no-install esbuild "$library.mjs" --bundle --minify --format=esm --target=es2022 \
    --legal-comments=none --log-level=warning --outfile="$library.js"
done
printf '/* Lit %s, https://lit.dev, BSD-3-Clause: see LICENSE.lit.txt */\n' "$LIT" |
  cat - lit.js >"$vendor/lit.js"
printf '/* uPlot %s, https://github.com/leeoniya/uPlot, MIT: see LICENSE.uplot.txt */\n' "$UPLOT" |
  cat - uplot.js >"$vendor/uplot.js"
cp node_modules/uplot/dist/uPlot.min.css "$vendor/uplot.css"
# Its types are those of the CommonJS module; ours is an ES module with a default export.
sed -e 's/^export = uPlot;/export default uPlot;/' -e '/^export as namespace/d' \
  node_modules/uplot/dist/uPlot.d.ts >"$vendor/uplot.d.ts"
cp node_modules/lit/LICENSE "$vendor/LICENSE.lit.txt"
cp node_modules/uplot/LICENSE "$vendor/LICENSE.uplot.txt"
