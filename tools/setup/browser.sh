# SPDX-License-Identifier: GPL-3.0-or-later
# Browser-side packages (htmx, JsSIP, uPlot) and their tools, exactly as package-lock.json says, in node_modules.

install_browser_packages() {
    modules=$root/node_modules
    key=$(checksum "$root/package-lock.json" "$root/.npmrc")
    holds "$modules/.offhook-key" "$key" || step "browser packages" browser fetch_browser_packages
}

fetch_browser_packages() {
    cd "$root"
    # npm empties node_modules first, and with it the key: a run cut short leaves none, and the next starts over.
    npm ci --prefer-offline --no-progress
    node_modules/.bin/esbuild --version
    printf '%s' "$key" >"$modules/.offhook-key"
}
