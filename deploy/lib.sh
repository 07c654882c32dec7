# shellcheck shell=bash
# Shared by the scripts of this folder; sourced, never run. Every function is quiet when there is nothing to do, so a
# machine that has everything needs neither root nor a network.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.build/python
# What runs in production carries Swift's runtime in itself: it starts without one, and calls it more cheaply.
# shellcheck disable=SC2034
release_flags=(-c release --static-swift-stdlib)

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'aftercare: %s\n' "$*" >&2
    exit 1
}

# ---------------------------------------------------------------------------------------------------------- packages

installed() { [[ $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) == 'install ok installed' ]]; }

as_root() { if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi; }
can_be_root() { ((EUID == 0)) || sudo -n true 2>/dev/null; }

# need_packages PACKAGE…: installs the Debian packages that are missing.
need_packages() {
    local missing=() package log
    for package in "$@"; do installed "$package" || missing+=("$package"); done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || fail "needs these Debian packages or their like: ${missing[*]}"
    can_be_root || fail "please install, as root: apt-get install ${missing[*]}"

    say "installing ${missing[*]}"
    log=$(mktemp)
    # The function travels as text, so that one sudo is enough and its clean-up runs as root too.
    if ! as_root bash -c "$(declare -f install_as_root); install_as_root \"\$@\"" _ "${missing[@]}" \
        </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        fail "could not install ${missing[*]}; apt-get's last lines are above"
    fi
    rm -f "$log"
}

# Debian's postgresql-15 creates a cluster 15/main on port 5432, and it and pgbouncer start a service at once. We want
# their programs only. Both are prevented through the hooks Debian has for it, for the length of this one install and
# for these two services alone, and nothing stays behind in /etc. A machine that already has the packages, or an
# administrator's own policy-rc.d, is left exactly as it is.
install_as_root() {
    set -eu
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    local policy=/usr/sbin/policy-rc.d folder=/etc/postgresql-common/createcluster.d
    local dropin=$folder/aftercare-install.conf
    # Not local: the trap runs after this function is gone.
    undo=':'
    trap 'eval "$undo"' EXIT
    if [[ " $* " == *' postgresql'* || " $* " == *' pgbouncer '* ]] && [[ ! -e $policy ]]; then
        undo="rm -f $policy"
        printf '%s\n' '#!/bin/sh' 'case " $*" in *" postgresql"*|*" pgbouncer"*) exit 101;; esac' 'exit 0' >"$policy"
        chmod 755 "$policy"
    fi
    if [[ " $* " == *' postgresql'* && ! -e $dropin ]]; then
        undo="$undo; rm -f $dropin; rmdir --ignore-fail-on-non-empty $folder"
        mkdir -p "$folder"
        echo 'create_main_cluster = false' >"$dropin"
    fi
    # A failing update is not final: one unreachable source must not hide the packages of the others.
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update || true
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install --no-install-recommends "$@"
    # Not at the next boot either.
    if [[ " $* " == *' pgbouncer '* && -d /run/systemd/system ]]; then systemctl disable --quiet pgbouncer || true; fi
}

# The newest installed PostgreSQL's programs (initdb, pg_ctl), which Debian keeps off PATH; empty when there is none.
postgres_programs() {
    local initdb
    initdb=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [[ -z $initdb ]] || dirname "$initdb"
}

# The package that brings a PostgreSQL server, or nothing when there is one: any from 15 on, Debian 12's own, will do.
postgres_package() {
    local programs version
    programs=$(postgres_programs)
    version=${programs#/usr/lib/postgresql/}
    version=${version%%/*}
    if [[ ! $version =~ ^[0-9]+$ ]] || ((version < 15)); then echo postgresql-15; fi
}

# ------------------------------------------------------------------------------------------------------------- Swift

need_swift() {
    local version
    command -v swift >/dev/null || fail 'needs Swift 6.3 or newer on PATH; there is no swift'
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' | head -n 1)
    [[ -n $version ]] || fail 'needs Swift 6.3 or newer; "swift --version" names no version'
    [[ $(printf '%s\n' 6.3 "$version" | sort -V | head -n 1) == 6.3 ]] || fail "needs Swift 6.3 or newer; this is $version"
}

# SwiftPM's own message for a folder that root built and a user cannot write to is long and names the wrong cause.
need_writable_build() {
    local blocked
    [[ -e $root/.build || -w $root ]] || fail "cannot write to $root, so cannot build there"
    [[ -e $root/.build ]] || return 0
    blocked=$(find "$root/.build" -maxdepth 2 ! -type l ! -writable -print -quit 2>/dev/null || true)
    [[ -z $blocked ]] || fail "cannot write to $blocked: another user built here; remove $root/.build, or become that user"
}

# ------------------------------------------------------------------------------------------------------------ Python

# A python3 that can make a virtualenv: whichever is first on PATH (pyenv's, say), else Debian's.
usable_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# need_python_packages: $venv holds exactly deploy/python-requirements.txt. The stamp holds the list and the folder's
# path (a virtualenv does not survive being moved), and is written last, so a half-made one is made again.
need_python_packages() {
    local python wanted stamp=$venv/aftercare-stamp
    wanted=$(echo "$venv" && cat "$root/deploy/python-requirements.txt")
    if [[ -r $stamp && $(<"$stamp") == "$wanted" ]] && "$venv/bin/python" -c '' 2>/dev/null; then return 0; fi
    need_writable_build
    python=$(usable_python) || { need_packages python3 python3-venv && python=$(usable_python); } ||
        fail 'needs Python 3.10 or newer with the venv module'
    say "installing the Python packages of deploy/python-requirements.txt"
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "could not make a virtualenv in $venv with $python"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        -r "$root/deploy/python-requirements.txt" || fail 'pip could not install deploy/python-requirements.txt'
    printf '%s\n' "$wanted" >"$stamp"
}
