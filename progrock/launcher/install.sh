#!/bin/sh
# Install a lock file into .venv: sh install.sh PYTHON LOCK. The Makefile calls it.
# PYTHON may be empty: the first Python of the right version that can make a .venv is taken.
# A .venv that is broken, or that an interrupted installation left behind, is made anew.
set -eu

chosen=$1
lock=$2
candidates=${chosen:-python3.13 python3.12 python3.11 python3}
right_version='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

refuse() {
    printf '%s\n' "$@" >&2
    exit 2
}

find_python() {
    unable=
    # A candidate may be there and not run, as the shims of version managers do.
    for python in $candidates; do
        "$python" -c "$right_version" 2>/dev/null || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null && return
        unable=$python
    done
    [ -z "$unable" ] || refuse \
        "$unable cannot make a virtual environment: it comes without venv or ensurepip." \
        'Install them, on Debian and Ubuntu: apt install python3-venv'
    found=$("${chosen:-python3}" --version 2>&1) || found='none'
    refuse \
        "ProgRock needs Python 3.11, 3.12 or 3.13; found: $found." \
        'Install one, on Debian and Ubuntu: apt install python3 python3-venv' \
        'Or name one: make run PYTHON=/path/to/python3.12'
}

is_whole() {
    [ ! -e .venv/unfinished ] &&
        .venv/bin/python -c "$right_version" 2>/dev/null &&
        .venv/bin/python -m pip --version >/dev/null 2>&1
}

# A second make at the same time waits, instead of clearing what the first one is installing.
if command -v flock >/dev/null; then
    exec 9<"$lock"
    flock -n 9 || { echo 'Another make is setting up .venv; waiting for it.'; flock 9; }
fi

if ! is_whole; then
    find_python
    echo "Setting up .venv with $("$python" --version). This is done once and takes a minute."
    "$python" -m venv --clear .venv ||
        refuse 'The folder .venv could not be made: see the lines above (full disk? rights?).'
fi

touch .venv/unfinished
status=0
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock" || status=$?
# pip that fails by itself leaves whole packages; one that was interrupted may not.
[ "$status" -gt 128 ] || rm .venv/unfinished
[ "$status" -eq 0 ] || refuse \
    'The packages could not be installed: see the lines above (network? full disk?).' \
    'When that is mended, run make again.'
