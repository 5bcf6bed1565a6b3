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

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 2
}

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}
[ "$cache" != /.cache ] ||
    die "set HOME or XDG_CACHE_HOME: the build results are kept in a folder domesday below it"
cache=$cache/domesday
mkdir -p -- "$cache" && [ -w "$cache" ] ||
    die "cannot write to $cache, where build results are kept: set XDG_CACHE_HOME to another folder"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
case $CARGO_TARGET_DIR in
/*) ;;
*) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;;
esac

# alone COMMAND... - runs the command while no other script of this user prepares anything: two at
# once would delete each other's half-made folders. A compilation that outlives its killed script
# holds the lock on, so that the next script waits for it and uses what it made.
alone() (
    if command -v flock >/dev/null; then
        exec 9>"$cache/lock"
        flock -n 9 || { say "waiting for another tools/run or tools/test to prepare" && flock 9; }
    fi
    # Programs do not inherit the lock: a compiler cache may leave a server running.
    "$@" 9>&-
)

# apt_install PACKAGE... - installs system packages; the package lists are fetched only when the
# first try fails, since an image often comes without them.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing $* (apt-get)"
    # A new machine's own updates hold dpkg's lock for a while.
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300
        install -y -qq --no-install-recommends "$@")
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq >&2 && "${install[@]}" >&2; }
}

has_python() {
    command -v python3 >/dev/null || apt_install python3 python3-venv ||
        { say "python3 is missing (Debian, Ubuntu: apt-get install python3 python3-venv)" && false; }
}

# make_venv DIR - a new Python virtual environment at DIR.
make_venv() {
    has_python || return 1
    rm -rf -- "$1"
    python3 -m venv "$1" >/dev/null 2>&1 && return 0
    apt_install python3-venv || say "python3 cannot make a virtual environment as it is:"
    rm -rf -- "$1"
    python3 -m venv "$1" >&2
}

# All that decides whether a virtual environment still serves: its place, which the programs in it
# name, its Python, and its packages.
venv_stamp() {
    printf '%s\n' "$1"
    "$1/bin/python" --version 2>/dev/null
    cat -- "$2"
}

# venv_with DIR FILE - a virtual environment at DIR with the PyPI packages that FILE lists. The stamp
# is written last, so that an installation cut short is done again.
venv_with() {
    local stamp=$1/installed.txt
    [ ! -f "$stamp" ] || [ "$(venv_stamp "$@")" != "$(cat -- "$stamp")" ] || return 0
    say "installing what ${2#"$root"/} lists, from PyPI, into ${1##*/}"
    make_venv "$1" && "$1/bin/python" -m pip install -q -r "$2" >&2 && venv_stamp "$@" >"$stamp"
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
    local venv=$root/.venv-build
    if has_system_libclang || { apt_install libclang-dev && has_system_libclang; }; then
        has_clang_headers || use_gcc_headers
        return 0
    fi
    alone venv_with "$venv" "$root/tools/libclang.txt" ||
        die "no libclang, which the RocksDB bindings need. Any of these brings it:
  - as root: apt-get install libclang-dev
  - Python with venv (python3-venv) and PyPI, so that this script can fetch libclang there
  - LIBCLANG_PATH=<folder that holds libclang.so>"
    LIBCLANG_PATH=$(cd -- "$venv"/lib/python3*/site-packages/clang/native && pwd)
    export LIBCLANG_PATH
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
            # Its [env] is for other libraries.
            sed -e '/^\[env\]/,$d' -e '/^ *#/d' -e '/^$/d' "$root/.cargo/config.toml"
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
    # Another script may have made it while this one waited.
    [ ! -s "$1/librocksdb.a" ] || return 0
    mkdir -p -- "$1"
    began=$(mktemp -- "$1/began.XXXXXX")
    trap 'rm -f -- "$began" "$1/librocksdb.a.$$"' EXIT
    heartbeat "$began" &
    # ROCKSDB_COMPILE: an earlier build against a kept library must not satisfy this one.
    (cd -- "$root" && ROCKSDB_COMPILE=1 cargo build --release --locked -p librocksdb-sys >&2) ||
        die "RocksDB did not compile, for the reason above. It needs crates.io (once), a C++20
compiler (g++ 10 or later) and 1 GB below $CARGO_TARGET_DIR"
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
        say "The result is kept in $dir; interrupted, it begins anew."
        alone compile_rocksdb "$dir"
    fi
    export ROCKSDB_LIB_DIR=$dir ROCKSDB_STATIC=1
}

# An older cargo does not even understand Cargo.toml.
check_rust() {
    local need have
    need=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
    { command -v cargo && command -v rustc; } >/dev/null ||
        die "Rust is missing: install $need or later (https://rustup.rs)"
    have=$(rustc --version | cut -d ' ' -f 2)
    printf '%s\n' "$need" "$have" | sort -C -V ||
        die "Rust $have is too old: install $need or later (https://rustup.rs)"
}

check_rust
[ -n "${CXX:-}" ] || command -v c++ >/dev/null || apt_install g++ ||
    die "no C++ compiler: install g++ (Debian, Ubuntu: apt-get install g++)"
command -v make >/dev/null || apt_install make ||
    die "no make, by which jemalloc is built (Debian, Ubuntu: apt-get install make)"
find_libclang
find_rocksdb
