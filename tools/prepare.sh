# shellcheck shell=bash
# Sourced by tools/run and tools/test; not run by itself.
#
# Brings what a build needs beyond Rust and a C++ compiler, and leaves the shell so that a plain
# `cargo build` in "$root" works and is fast:
#
#   root                the project's folder, absolute
#   cache               what outlives a clone: build results, the RocksDB library, tools
#   CARGO_TARGET_DIR    build results, shared by all clones of this user
#   LIBCLANG_PATH       only where libclang is not a system library
#   ROCKSDB_LIB_DIR     a compiled RocksDB, so that its 343 C++ files are compiled once, not once
#   ROCKSDB_STATIC      per clone and per build profile
#
# All messages go to stderr: stdout belongs to the program that the caller starts.

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-${HOME:?set HOME, the build cache is kept below it}/.cache}/domesday
mkdir -p -- "$cache"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
case $CARGO_TARGET_DIR in
/*) ;;
*) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;;
esac

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 2
}

# apt_install PACKAGE... - installs system packages; the package lists are fetched only when the
# first try fails, since an image often comes without them.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing $* (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" >&2 2>/dev/null ||
        { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >&2; }
}

# make_venv DIR - a Python virtual environment at DIR, made anew unless a whole one is there.
make_venv() {
    "$1/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    command -v python3 >/dev/null || apt_install python3 python3-venv || return 1
    rm -rf -- "$1"
    python3 -m venv "$1" >/dev/null 2>&1 ||
        { apt_install python3-venv && rm -rf -- "$1" && python3 -m venv "$1" >&2; }
}

# libclang as bindgen looks for it: in the usual folders, or in llvm-config's. libclang-cpp is
# another library and does not serve.
has_system_libclang() {
    local file llvm_dir
    llvm_dir=$(llvm-config --libdir 2>/dev/null) || llvm_dir=/usr/lib
    for file in "$llvm_dir"/libclang[-.]*so* /usr/lib/llvm-*/lib/libclang[-.]*so* \
        /usr/lib/*-linux-gnu/libclang[-.]*so* /usr/lib{,64}/libclang[-.]*so* \
        /usr/local/lib/libclang[-.]*so*; do
        case $file in
        *libclang-cpp*) ;;
        *) [ ! -e "$file" ] || return 0 ;;
        esac
    done
    return 1
}

# The compiler's own headers (stddef.h, stdbool.h), which libclang does not carry in itself.
has_clang_headers() {
    compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stdbool.h' >/dev/null ||
        compgen -G '/usr/lib*/clang/*/include/stdbool.h' >/dev/null
}

find_libclang() {
    # A caller's own choice stands.
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    local venv=$root/.venv-build site
    if has_system_libclang || { apt_install libclang-dev && has_system_libclang; }; then
        has_clang_headers || use_gcc_headers
        return 0
    fi
    if ! "$venv/bin/python" -c 'import clang' 2>/dev/null; then
        say "libclang is missing: fetching it from PyPI into .venv-build"
        make_venv "$venv" && "$venv/bin/python" -m pip install -q libclang==18.1.1 >&2 ||
            die "no libclang, which the RocksDB bindings need. Any of these brings it:
  - as root: apt-get install libclang-dev
  - Python with venv, so that this script can fetch PyPI's libclang
  - LIBCLANG_PATH=<folder that holds libclang.so>"
    fi
    site=$("$venv/bin/python" -c 'import clang, os; print(os.path.dirname(clang.__file__))')
    export LIBCLANG_PATH=$site/native
    use_gcc_headers
}

# GCC's headers do for bindgen where clang's are absent.
use_gcc_headers() {
    local include
    include=$(gcc -print-file-name=include 2>/dev/null) && [ -d "$include" ] || return 0
    export BINDGEN_EXTRA_CLANG_ARGS="${BINDGEN_EXTRA_CLANG_ARGS:-} -I$include"
}

# The name of the cached library: everything that changes its contents is part of it.
rocksdb_cache_key() {
    local version flags
    version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/^version = "\(.*\)"$/\1/p;}' \
        "$root/Cargo.lock")
    [ -n "$version" ] || die "Cargo.lock names no librocksdb-sys: is the clone complete?"
    flags=$(
        {
            grep -v '^ *#' "$root/.cargo/config.toml"
            grep '^rocksdb = ' "$root/Cargo.toml"
            printf '%s\n' "${RUSTFLAGS:-}" "${CXXFLAGS:-}" "${CXX:-c++}"
            "${CXX:-c++}" --version 2>/dev/null | sed -n 1p
        } | sha256sum | cut -c 1-12
    )
    printf 'rocksdb-%s-%s-%s' "$version" "$(uname -m)" "$flags"
}

# A line every half minute, so that a long silence is not taken for a hang. The argument is a file
# as old as the build; the loop ends when it is gone, or with the script.
heartbeat() {
    local seconds=0 objects
    while sleep 5 && [ -e "$1" ] && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 5))
        [ $((seconds % 30)) = 0 ] || continue
        objects=$(find "$CARGO_TARGET_DIR/release/build" -path '*/librocksdb-sys-*/out/*.o' \
            -newer "$1" 2>/dev/null | wc -l)
        [ "$objects" = 0 ] || say "compiling RocksDB: $objects of 343 files"
    done
}

# compile_rocksdb DIR - leaves librocksdb.a in DIR.
compile_rocksdb() (
    local began built
    began=$(mktemp -- "$1/began.XXXXXX")
    trap 'rm -f -- "$began" "$1/librocksdb.a.$$"' EXIT
    heartbeat "$began" &
    # ROCKSDB_COMPILE: an earlier build against a kept library must not satisfy this one.
    (cd -- "$root" && ROCKSDB_COMPILE=1 cargo build --release --locked -p librocksdb-sys >&2) ||
        die "RocksDB did not compile, see above. It needs a C++20 compiler (g++ 10 or later)"
    built=$(find "$CARGO_TARGET_DIR/release/build" -path '*/librocksdb-sys-*/out/librocksdb.a' \
        -printf '%T@ %p\n' | sort -rn | sed -n '1s/^[^ ]* //p')
    [ -s "$built" ] || die "the RocksDB build left no librocksdb.a below $CARGO_TARGET_DIR"
    # Renamed into place: a copy cut short is never taken for the library.
    cp -- "$built" "$1/librocksdb.a.$$"
    mv -f -- "$1/librocksdb.a.$$" "$1/librocksdb.a"
)

# RocksDB is compiled once per version, machine type and flags, and kept. Every build after that
# links the kept library: switching between the two ways would rebuild all that depends on it, so
# the library is made first and used for debug and release builds alike.
find_rocksdb() {
    # A caller's own library, or wish to compile, stands.
    [ -z "${ROCKSDB_LIB_DIR:-}${ROCKSDB_COMPILE:-}" ] || return 0
    local dir
    dir=$cache/$(rocksdb_cache_key)
    if [ ! -s "$dir/librocksdb.a" ]; then
        say "RocksDB is compiled once on this machine; that takes 10 to 25 minutes on two cores."
        say "The result is kept in $dir"
        mkdir -p -- "$dir"
        compile_rocksdb "$dir"
    fi
    export ROCKSDB_LIB_DIR=$dir ROCKSDB_STATIC=1
}

command -v cargo >/dev/null || die "cargo is missing: install Rust 1.90 or later (https://rustup.rs)"
[ -n "${CXX:-}" ] || command -v c++ >/dev/null || apt_install g++ ||
    die "no C++ compiler: install g++ (Debian, Ubuntu: apt-get install g++)"
find_libclang
find_rocksdb
